"""The comparison itself, in one process: a take prepared once, recordings scored against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from services.audio_analyzer.engines import features, quality
from services.audio_analyzer.engines.aligner import AlignedWord, Aligner
from services.audio_analyzer.engines.comparing import WordPair, compared
from services.audio_analyzer.engines.decoding import RATE, decoded
from services.audio_analyzer.engines.features import A1_HZ, Floats, Frames
from services.audio_analyzer.engines.result import recognised, refused
from services.audio_analyzer.engines.scores import scored, word_score
from services.audio_analyzer.errors import SilentReference, UnalignedReference

RECOGNISED_SHARE = 0.3
"""Of the words, at least so many must be heard before anything is scored."""
RECOGNISED_SCORE = 30.0
"""Mean score of the heard words under which it was not this text."""


class Comparison:
    """Holds one acoustic model; for one call after the other."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._aligner = Aligner()

    def prepare(self, audio: Path, text: str) -> dict[str, Any]:
        """What is kept of the take, as JSON with the fields of `Reference` (see the port)."""
        words = self._aligner.known(text)
        samples = decoded(audio, self._longest_s)
        if quality.too_short(samples):
            raise SilentReference
        frames = features.measured(samples)
        found = quality.measured(samples, frames)
        if found.problem is not None:
            raise SilentReference
        alignment = self._aligner.aligned(samples, words, range(len(words)))
        if not alignment:
            raise UnalignedReference
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
        if len(pairs) < RECOGNISED_SHARE * len(words):
            return refused("NoMatch", found, takes)
        if np.mean([word_score(pair) for pair in pairs]) < RECOGNISED_SCORE:
            return refused("NoMatch", found, takes)
        where = [(actor[i].start, actor[i].frames) for i in range(len(words))]
        return recognised(words, pairs, scored(pairs, len(words)), found, takes, where)

    def _pairs(
        self,
        samples: Floats,
        words: tuple[str, ...],
        actor: dict[int, AlignedWord],
        takes: tuple[Frames, Frames],
    ) -> list[WordPair]:
        heard = self._aligner.said(samples, words)
        if not heard:
            return []
        spoken = self._aligner.aligned(samples, words, heard)
        return [compared(*takes, actor[word.position], word) for word in spoken or ()]


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
