"""What a strategy of choosing frames takes and gives; no heavy library is needed to load it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Chosen:
    """One frame that a person shall label."""

    frame: int  # number in the video, from 0
    time_s: float  # since the first frame
    strategy: str  # which one asked for it
    score: float  # how much it was worth to that strategy; comparable within one only


@dataclass(frozen=True)
class Material:
    """The candidates, one row each, ascending; what is not known is None."""

    frames: NDArray[np.int64]  # (n,) numbers in the video
    times: NDArray[np.float64]  # (n,) seconds since the first frame
    taken: NDArray[np.bool_]  # (n,) chosen in an earlier round: known, never to be chosen again
    features: NDArray[np.float32]  # (n, d) foreground and boxes, groups of like weight
    motion: NDArray[np.float32] | None = None  # (n,) change of the picture in 0.2 s, 0..1
    uncertainty: NDArray[np.float32] | None = None  # (n,) 0..1
    track_breaks: NDArray[np.float32] | None = None  # (n,) 0..1
    reasons: tuple[tuple[str, str], ...] = ()  # strategy -> why it has nothing to go by

    def reason(self, strategy: str) -> str:
        """Why `strategy` has nothing to go by."""
        return dict(self.reasons).get(strategy, "there is nothing to go by")


@dataclass(frozen=True)
class Ranked:
    """A candidate and what it is worth."""

    row: int  # of the material
    score: float


class CannotAct(Exception):
    """The strategy has nothing to go by; the message says why, as half a sentence."""


class Strategy(Protocol):
    """Ranks the candidates of one video."""

    def rank(self, material: Material, wanted: int, seed: int) -> Sequence[Ranked]:
        """The candidates worth choosing, best first, taken ones left out.

        About `wanted` of them will be chosen; more are looked at, because some lie too close to
        what others chose or look alike. The same arguments give the same ranking. Raises
        `CannotAct` when it has nothing to go by.
        """
        ...
