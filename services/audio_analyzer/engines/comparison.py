"""The comparison itself, in one process: a take prepared once, recordings scored against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from services.audio_analyzer.engines import features, quality
from services.audio_analyzer.engines.aligner import AlignedWord, Aligner, Heard
from services.audio_analyzer.engines.comparing import WordPair, compared
from services.audio_analyzer.engines.decoding import RATE, decoded
from services.audio_analyzer.engines.features import A1_HZ, Floats, Frames
from services.audio_analyzer.engines.omissions import said
from services.audio_analyzer.engines.result import recognised, refused
from services.audio_analyzer.engines.scores import scored, word_score
from services.audio_analyzer.errors import SilentReference, UnalignedReference

RECOGNISED = 50.0
"""Evidence at which it was this text: mean score of the words, and 30 for each nat of margin.

In the set `tune` of tests/bench/speech_voices.py other texts, other languages, reversed speech, crowds
and noises reached 44; natural voices that said the text began at 78, formant synthesis mostly at 59.
"""
MARGIN_NATS, MARGIN_MOST = 30.0, 2.0
SURE = 65.0
"""A mean score so high needs no margin: no other text had more than 36."""
RECOGNISED_ALONE = 40.0
"""The same where there is no margin: texts whose reverse is the same, or which nothing fits."""
REFERENCE_SHARE, REFERENCE_MARGIN, REFERENCE_GOP = 0.6, 0.3, -9.0
"""What a take must reach for its text: share of words heard, margin and goodness of pronunciation.

In the set `tune` formant synthesis reaches -8.9 where it says the text; with another text no take of
any voice, recorded or made, reaches both share and margin.
"""


class Comparison:
    """For one call after the other."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s

    def prepare(self, audio: Path, text: str) -> dict[str, Any]:
        """What is kept of the take, as JSON with the fields of `Reference` (see the port)."""
        self._aligner = Aligner()
        words = self._aligner.known(text)
        samples = decoded(audio, self._longest_s)
        if quality.too_short(samples):
            raise SilentReference
        frames = features.measured(samples)
        found = quality.measured(samples, frames)
        if found.problem is not None:
            raise SilentReference
        alignment = self._said(samples, words)
        return {
            "duration_s": round(samples.size / RATE, 3),
            "words": [_kept(word, words[word.position], frames) for word in alignment],
            "warnings": list(found.warnings),
            "document": {
                "words": list(words),
                "alignment": [[w.position, w.start, w.frames, round(w.gop, 4)] for w in alignment],
                "frames": frames.packed(),
            },
        }

    def score(self, document: dict[str, Any], recording: Path) -> dict[str, Any]:
        """The result document of `recording` against a take's `document`, as JSON."""
        # A decoder remembers a little of what it heard before, and a tenth of a second makes another:
        # so the same recording always gets the same score.
        self._aligner = Aligner()
        samples = decoded(recording, self._longest_s)
        reference = Frames.unpacked(document["frames"])
        if quality.too_short(samples):  # a window of analysis needs more
            samples = np.pad(samples, (0, 4 * features.HOP - samples.size))
        frames = features.measured(samples)
        found = quality.measured(samples, frames)
        takes = (reference, frames)
        if found.problem is not None:
            return refused(found.problem, found, takes)
        words = tuple(document["words"])
        actor = {a[0]: AlignedWord(*a) for a in document["alignment"]}
        pairs = self._pairs(samples, words, actor, takes)
        if not pairs:
            return refused("NoMatch", found, takes)
        where = [(actor[i].start, actor[i].frames) for i in range(len(words))]
        scores = scored(pairs, len(words), _register_st(*takes))
        return recognised(words, pairs, scores, found, takes, where)

    def _said(self, samples: Floats, words: tuple[str, ...]) -> tuple[AlignedWord, ...]:
        """Every word of the take; raises `UnalignedReference` if it says something else."""
        heard = self._aligner.heard(samples, words)
        if len(heard.positions) < REFERENCE_SHARE * len(words):
            raise UnalignedReference
        margin = self._aligner.margin(samples, words, heard)
        if margin is not None and margin < REFERENCE_MARGIN:
            raise UnalignedReference
        every = range(len(words))
        alignment = heard.alignment or self._aligner.aligned(samples, words, every)
        if not alignment or np.mean([word.gop for word in alignment]) < REFERENCE_GOP:
            raise UnalignedReference
        return alignment

    def _pairs(
        self,
        samples: Floats,
        words: tuple[str, ...],
        actor: dict[int, AlignedWord],
        takes: tuple[Frames, Frames],
    ) -> list[WordPair]:
        """The words that were said; none where it was not this text."""
        heard = self._aligner.heard(samples, words)
        if not heard.positions:
            return []
        found = heard.alignment or self._aligner.aligned(samples, words, heard.positions) or ()
        pairs = [compared(*takes, actor[word.position], word) for word in found]
        evidence = sum(map(word_score, pairs)) / len(words)
        if not pairs or not self._is_this_text(evidence, samples, words, heard):
            return []
        return self._corrected(samples, words, actor, takes, pairs)

    def _corrected(
        self,
        samples: Floats,
        words: tuple[str, ...],
        actor: dict[int, AlignedWord],
        takes: tuple[Frames, Frames],
        heard: list[WordPair],
    ) -> list[WordPair]:
        """The words that were said, after what the grammar found and left out has been compared."""
        positions = tuple(pair.reference.position for pair in heard)
        every: tuple[AlignedWord, ...] = ()
        if len(heard) < len(words):
            every = self._aligner.aligned(samples, words, range(len(words))) or ()
        forced = [compared(*takes, actor[word.position], word) for word in every]
        corrected = said(heard, forced)
        if corrected in {positions, ()}:
            return heard
        found = self._aligner.aligned(samples, words, corrected) or ()
        return [compared(*takes, actor[word.position], word) for word in found] or heard

    def _is_this_text(
        self, evidence: float, samples: Floats, words: tuple[str, ...], heard: Heard
    ) -> bool:
        """Whether the words' mean score and the margin together say so."""
        if evidence > SURE:
            return True
        margin = self._aligner.margin(samples, words, heard)
        if margin is None:
            return evidence >= RECOGNISED_ALONE
        return evidence + MARGIN_NATS * max(-MARGIN_MOST, min(MARGIN_MOST, margin)) >= RECOGNISED


def _register_st(reference: Frames, recording: Frames) -> float | None:
    """How much higher `recording` is, semitones."""
    if not reference.median_hz or not recording.median_hz:
        return None
    return float(12 * np.log2(recording.median_hz / reference.median_hz))


def _kept(word: AlignedWord, text: str, frames: Frames) -> dict[str, Any]:
    inside = slice(word.start, max(word.start + 1, min(word.end, frames.length)))
    pitch = frames.pitch_st[inside]
    voiced = pitch[np.isfinite(pitch)]
    above_a1 = None
    if voiced.size and frames.median_hz:
        above_a1 = float(np.median(voiced) + 12 * np.log2(frames.median_hz / A1_HZ))
    return {
        "text": text,
        "start_s": round(word.start * features.HOP_S, 3),
        "end_s": round(word.end * features.HOP_S, 3),
        "mfcc": [round(float(c), 3) for c in frames.raw[inside].mean(0)],
        "features": {
            "gop": round(word.gop, 3),
            "pitch_st": None if above_a1 is None else round(above_a1, 2),
            "energy_db": round(float(frames.energy_db[inside].mean()), 2),
        },
    }
