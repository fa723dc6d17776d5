"""Which words were left out, judged by how this speaker says the others.

A foreign accent, a synthetic voice or a bad microphone lets every word fit worse than in the actor's
take. A word that is not there fits worse than those do: the model finds no sounds of it, it is squeezed
into what is left between others, sounds unlike the actor's, or lies in a pause.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
RESTORED, DROPPED = -5.0, -7.0
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


def said(heard: Sequence[WordPair], others: Sequence[WordPair]) -> tuple[int, ...]:
    """The positions of the words that were said, ascending.

    `heard`: as the grammar found them, at least one. `others`: the rest, as they lie if every word of
    the text is forced to be there; may be empty.
    """
    speaker = Speaker.of(heard)
    kept = [pair for pair in heard if speaker.fit(pair) > DROPPED]
    restored = [pair for pair in others if speaker.fit(pair) > RESTORED]
    return tuple(sorted(pair.reference.position for pair in (*kept, *restored)))


def _longer(pair: WordPair) -> float:
    return math.log(pair.recording.frames / pair.reference.frames)
