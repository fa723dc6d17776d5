"""Which words were left out, judged by how this speaker says the others.

A foreign accent, a synthetic voice or a bad microphone lets every word fit worse than in the actor's
take. A word that is not there fits worse than those do: the model finds no sounds of it, it is squeezed
into what is left between others, sounds unlike the actor's, or lies in a pause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.audio_analyzer.engines.comparing import WordPair

# What each counts in nats a frame, the unit of the goodness of pronunciation. Chosen so that words left
# out and words said come apart in the set `tune` of tests/bench/speech_voices.py.
SQUEEZED_NATS = 4.0
"""A word that is an e-th as long as this speaker's tempo explains."""
DISTANT_NATS = 6.0
"""A cosine distance from the actor's word that is larger by one than this speaker's usual one."""
QUIET_NATS = 0.2
"""A decibel less than this speaker's usual loudness beside the actor's."""
NEIGHBOURS = 0.5
"""What the words beside a forced one lose counts so much: a word that is not there takes their sounds."""
RESTORED, DROPPED = -6.0, -7.0
"""A word that the grammar left out was said if its fit is above the first; one that it found was not, if
its fit is not above the second. Between the two the grammar is believed."""


@dataclass(frozen=True)
class Speaker:
    """How somebody says words, relative to the actor: medians of those that were heard."""

    gop_delta: float
    """Nats a frame; at most 0: nobody has to be as clear in each word as in most."""
    longer: float
    """Natural logarithm of the words' durations, recording over reference."""
    distance: float
    louder_db: float

    @classmethod
    def of(cls, heard: Sequence[WordPair]) -> Speaker:
        """From at least one word."""
        return cls(
            min(0.0, float(np.median([pair.gop_delta for pair in heard]))),
            float(np.median([_longer(pair) for pair in heard])),
            float(np.median([pair.distance for pair in heard])),
            float(np.median([pair.energy_delta_db for pair in heard])),
        )

    def fit(self, pair: WordPair) -> float:
        """How well the word fits, nats a frame: about 0 for this speaker's usual words."""
        return (
            (pair.gop_delta - self.gop_delta)
            + SQUEEZED_NATS * min(0.0, _longer(pair) - self.longer)
            - DISTANT_NATS * max(0.0, pair.distance - self.distance)
            + QUIET_NATS * min(0.0, pair.energy_delta_db - self.louder_db)
        )


def said(heard: Sequence[WordPair], every: Sequence[WordPair]) -> tuple[int, ...]:
    """The positions of the words that were said, ascending.

    `heard`: as the grammar found them, at least one. `every`: as they lie if every word of the text is
    forced to be there; may be empty.
    """
    speaker = Speaker.of(heard)
    found = {pair.reference.position: speaker.fit(pair) for pair in heard}
    forced = {pair.reference.position: speaker.fit(pair) for pair in every}
    kept = {position for position, fit in found.items() if fit > DROPPED}
    restored = {
        position
        for position in forced.keys() - found.keys()
        if forced[position] - NEIGHBOURS * _taken(position, found, forced) > RESTORED
    }
    return tuple(sorted(kept | restored))


def _taken(position: int, found: Mapping[int, float], forced: Mapping[int, float]) -> float:
    """How much worse the heard words on both sides fit if the word at `position` is forced, nats."""
    before = max((other for other in found if other < position), default=None)
    after = min((other for other in found if other > position), default=None)
    beside = [other for other in (before, after) if other is not None]
    return sum(max(0.0, found[other] - forced[other]) for other in beside)


def _longer(pair: WordPair) -> float:
    return math.log(pair.recording.frames / pair.reference.frames)
