"""A comparison as the document that callers get: a superset of Azure's pronunciation assessment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.audio_analyzer.engines.comparing import WordPair
from services.audio_analyzer.engines.features import HOP_S, Floats, Frames
from services.audio_analyzer.engines.feedback import advice
from services.audio_analyzer.engines.port import Recognition
from services.audio_analyzer.engines.quality import Quality
from services.audio_analyzer.engines.scores import (
    MISPRONOUNCED,
    Scores,
    duration_log,
    word_score,
)
from services.audio_analyzer.engines.version import FEATURE_VERSION, NAME

TICKS = 100_000
"""Ticks of 100 ns in a frame of 10 ms."""
CONTOUR_POINTS = 1500
"""Contours are thinned to at most so many points, which is more than a screen shows."""


def recognised(
    words: Sequence[str],
    pairs: Sequence[WordPair],
    scores: Scores,
    quality: Quality,
    takes: tuple[Frames, Frames],
    reference_words: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """The document of a recording in which the text was said.

    `takes`: the actor's frames, then the learner's. `reference_words`: first frame and number of
    frames of each word in the actor's take.
    """
    first, last = pairs[0].recording, pairs[-1].recording
    said = {pair.reference.position: pair for pair in pairs}
    entries = [
        _word(word, said.get(position), scores, pairs, reference_words[position])
        for position, word in enumerate(words)
    ]
    best = {
        "Lexical": " ".join(words),
        "PronunciationAssessment": {
            "AccuracyScore": _score(scores.accuracy),
            "FluencyScore": _score(scores.fluency),
            "ProsodyScore": _score(scores.prosody),
            "CompletenessScore": _score(scores.completeness),
            "PronScore": _score(scores.pron),
        },
        "Similarity": {
            "Timbre": _score(scores.timbre),
            "PitchScore": _score(scores.pitch),
            "PitchCorrelation": _rounded(scores.pitch_correlation),
            "PitchRangeRatio": _rounded(scores.pitch_range_ratio),
            "RegisterSt": _rounded(scores.register_st),
            "EnergyScore": _score(scores.energy),
            "RhythmScore": _score(scores.rhythm),
            "TempoRatio": _rounded(scores.tempo_ratio),
            "PauseScore": _score(scores.pause),
        },
        "Words": entries,
    }
    return {
        "RecognitionStatus": "Success",
        "Offset": first.start * TICKS,
        "Duration": (last.end - first.start) * TICKS,
        "NBest": [best],
        **_around(quality, takes),
        "Feedback": advice(words, pairs, scores, quality.warnings),
        "Engine": _engine(),
    }


def refused(
    status: Recognition, quality: Quality, takes: tuple[Frames, Frames | None]
) -> dict[str, Any]:
    """The document of a recording in which the text was not said: no number anywhere."""
    return {
        "RecognitionStatus": status,
        "Offset": 0,
        "Duration": 0,
        "NBest": [],
        **_around(quality, takes),
        "Feedback": advice((), (), None, quality.warnings),
        "Engine": _engine(),
    }


def _word(
    word: str,
    pair: WordPair | None,
    scores: Scores,
    pairs: Sequence[WordPair],
    where: tuple[int, int],
) -> dict[str, Any]:
    reference = {"Offset": where[0] * TICKS, "Duration": where[1] * TICKS}
    if pair is None:
        return {
            "Word": word,
            "Offset": 0,
            "Duration": 0,
            "PronunciationAssessment": {"AccuracyScore": 0.0, "ErrorType": "Omission"},
            "Reference": reference,
            "Delta": None,
        }
    score = word_score(pair)
    # Where the word would begin if the whole were said at the actor's tempo from the first word on.
    start = (pair.recording.start - pairs[0].recording.start) / scores.tempo_ratio
    expected = pair.reference.start - pairs[0].reference.start
    return {
        "Word": word,
        "Offset": pair.recording.start * TICKS,
        "Duration": pair.recording.frames * TICKS,
        "PronunciationAssessment": {
            "AccuracyScore": _score(score),
            "ErrorType": "None" if score >= MISPRONOUNCED else "Mispronunciation",
        },
        "Reference": reference,
        "Delta": {
            "StartSec": _rounded((start - expected) * HOP_S),
            "DurationLog": _rounded(duration_log(pair, scores.tempo_ratio)),
            "PitchSt": _rounded(pair.pitch_delta_st),
            "EnergyDb": _rounded(pair.energy_delta_db),
        },
    }


def _around(quality: Quality, takes: tuple[Frames, Frames | None]) -> dict[str, Any]:
    longest = max(take.length for take in takes if take)
    every = -(-longest // CONTOUR_POINTS)
    names = ("reference", "recording")
    contours = {
        name: {
            "pitch_st": _points(take.pitch_st[::every]),
            "energy_db": _points(take.energy_db[::every]),
        }
        for name, take in zip(names, takes, strict=True)
        if take
    }
    return {
        "Quality": quality.document(),
        "Contours": {"hop_s": round(every * HOP_S, 3), **contours},
    }


def _points(values: Floats) -> list[float | None]:
    return [round(float(v), 2) if np.isfinite(v) else None for v in values]


def _engine() -> dict[str, Any]:
    return {"name": NAME, "feature_version": FEATURE_VERSION, "beta": True}


def _score(value: float) -> float:
    return round(min(100.0, max(0.0, float(value))), 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)
