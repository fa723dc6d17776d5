"""The scorers by name; each is imported when it is first used."""

from __future__ import annotations

from importlib import import_module

from services.audio_analyzer.engines.port import SpeechScorer
from services.audio_analyzer.errors import UnknownScorer

ENGINES = {"alignment": "services.audio_analyzer.engines.alignment:AlignmentScorer"}


def speech_scorer(name: str = "alignment") -> SpeechScorer:
    """A new scorer `name`; keep it, because its processes stay warm. Raises `UnknownScorer`."""
    if name not in ENGINES:
        raise UnknownScorer(name, ENGINES)
    module, _, attribute = ENGINES[name].partition(":")
    made: SpeechScorer = getattr(import_module(module), attribute)()
    return made
