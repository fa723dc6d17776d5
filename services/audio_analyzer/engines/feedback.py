"""What a learner may do better, as codes with the numbers that the sentences need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from services.audio_analyzer.engines.comparing import WordPair
from services.audio_analyzer.engines.scores import (
    MISPRONOUNCED,
    Scores,
    duration_log,
    word_score,
)

MOST = 8
"""More advice at once helps nobody."""
LOUDNESS_DB = 6.0
PITCH_ST = 3.0
LENGTH_RATIO = 1.5
TEMPO_RATIO = 1.15
RANGE_RATIO = 0.6


def advice(
    words: Sequence[str],
    pairs: Sequence[WordPair],
    scores: Scores | None,
    warnings: Sequence[str],
) -> list[dict[str, Any]]:
    """What is worth saying, the gravest first: at most `MOST` entries.

    Each is `{code, word, position, severity, fields}`; `word` and `position` are None where it is
    about the whole recording. `scores` is None where nothing was recognised.
    """
    said = [_about(f"quality.{warning}", "warning") for warning in warnings]
    if scores is None:
        return said or [_about("speech.not_recognised", "warning")]
    spoken = {pair.reference.position for pair in pairs}
    omitted = [
        _about("word.omitted", "warning", word, position)
        for position, word in enumerate(words)
        if position not in spoken
    ]
    ranked = sorted(pairs, key=word_score)
    unclear = [
        _of(pair, words, "word.unclear", "warning", score=round(word_score(pair)))
        for pair in ranked
        if word_score(pair) < MISPRONOUNCED
    ]
    found = [*said, *omitted[:3], *unclear[:3], *_whole(scores), *_manner(words, pairs, scores)]
    return found[:MOST] or [_about("all.good", "info")]


def _whole(scores: Scores) -> list[dict[str, Any]]:
    found = []
    if scores.tempo_ratio > TEMPO_RATIO:
        found.append(_about("tempo.slow", "hint", percent=round(100 * (scores.tempo_ratio - 1))))
    elif scores.tempo_ratio < 1 / TEMPO_RATIO:
        found.append(_about("tempo.fast", "hint", percent=round(100 * (1 - scores.tempo_ratio))))
    if scores.pause < 60:
        found.append(_about("pauses.different", "hint"))
    if scores.pitch_range_ratio is not None and scores.pitch_range_ratio < RANGE_RATIO:
        found.append(_about("pitch.flat", "hint", percent=round(100 * scores.pitch_range_ratio)))
    elif scores.pitch_correlation is not None and scores.pitch_correlation < 0.4:
        found.append(_about("pitch.different", "hint"))
    return found


def _manner(
    words: Sequence[str], pairs: Sequence[WordPair], scores: Scores
) -> list[dict[str, Any]]:
    """The word that differs most in each respect, where it differs enough."""
    found = []
    longest = max(pairs, key=lambda p: abs(duration_log(p, scores.tempo_ratio)))
    ratio = math.exp(duration_log(longest, scores.tempo_ratio))
    if ratio > LENGTH_RATIO:
        found.append(_of(longest, words, "word.long", "hint", percent=round(100 * (ratio - 1))))
    elif ratio < 1 / LENGTH_RATIO:
        found.append(_of(longest, words, "word.short", "hint", percent=round(100 * (1 - ratio))))
    pitched = [pair for pair in pairs if pair.pitch_delta_st is not None]
    if pitched:
        far = max(pitched, key=lambda p: abs(p.pitch_delta_st or 0.0))
        delta = far.pitch_delta_st or 0.0
        if abs(delta) > PITCH_ST:
            code = "word.high" if delta > 0 else "word.low"
            found.append(_of(far, words, code, "hint", semitones=round(abs(delta), 1)))
    loud = max(pairs, key=lambda p: abs(p.energy_delta_db))
    if abs(loud.energy_delta_db) > LOUDNESS_DB:
        code = "word.loud" if loud.energy_delta_db > 0 else "word.soft"
        found.append(_of(loud, words, code, "hint", decibels=round(abs(loud.energy_delta_db))))
    return found


def _of(
    pair: WordPair, words: Sequence[str], code: str, severity: str, **fields: float
) -> dict[str, Any]:
    position = pair.reference.position
    return _about(code, severity, words[position], position, **fields)


def _about(
    code: str,
    severity: str,
    word: str | None = None,
    position: int | None = None,
    **fields: float,
) -> dict[str, Any]:
    return {
        "code": code,
        "word": word,
        "position": position,
        "severity": severity,
        "fields": fields | ({"word": word} if word else {}),
    }
