"""The one scorer of a process."""

from __future__ import annotations

from functools import cache

from services.audio_analyzer.engines.port import SpeechScorer
from services.audio_analyzer.engines.table import speech_scorer
from shared.platform import Platform

kept_scorer = cache(speech_scorer)  # its own processes stay warm


def scorer_of(platform: Platform) -> SpeechScorer:
    """The scorer of the settings."""
    return kept_scorer(platform.settings.speech.scorer)
