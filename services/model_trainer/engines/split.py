"""Which labelled frames teach and which ones judge: cut by blocks of time, never at random.

Two neighbouring frames of a video are nearly the same picture. A random split therefore shows the
model almost every validation picture during training, and its figures flatter it. Here validation
is a few contiguous blocks spread over the video, and training frames within `GUARD_S` of such a
block are left out where that costs little; the share of validation frames that still have a
training frame within `GUARD_S` is the leakage figure, printed with every result.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

GUARD_S = 2.0  # seconds between a validation frame and the nearest training frame, at least
MAX_BLOCKS = 4
FRAMES_A_BLOCK = 3  # a block of fewer frames is closer to random than to a block
DRAWS = 64  # candidate cuts looked at for each number of blocks
AFFORDABLE_DROP = 0.25  # of the frames that are not validation, for several blocks
AFFORDABLE_DROP_ONE = 0.4  # the same for one block: honest figures are worth that much

Guard = Literal["auto", "drop", "keep"]


@dataclass(frozen=True)
class Sample:
    """One frame that somebody looked at."""

    time_s: float
    classes: frozenset[int]  # of its boxes; none for a confirmed empty frame


@dataclass(frozen=True)
class Split:
    """Positions in the list of samples, ascending; together they are all of them."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    dropped: tuple[int, ...]  # left out: within GUARD_S of a validation frame
    leakage: float  # 0..1, share of validation frames within GUARD_S of a training frame
    unteachable: tuple[int, ...]  # classes that have boxes, but none in training
    unjudged: tuple[int, ...]  # classes that have boxes, but none in validation


def leakage(train_s: Sequence[float], val_s: Sequence[float], within_s: float = GUARD_S) -> float:
    """Share (0..1) of the validation times that have a training time within `within_s` seconds."""
    if not len(val_s) or not len(train_s):
        return 0.0
    return float(_near(np.asarray(val_s, float), np.asarray(train_s, float), within_s).mean())


def split_by_time(
    samples: Sequence[Sample], *, val_share: float, seed: int, guard: Guard = "auto"
) -> Split:
    """Cut `samples` (at least two, ascending in time) into training and validation.

    The same samples and seed give the same cut. Cuts that leave a class with boxes out of training,
    or validation without any box, are taken only when there is no other: see `unteachable`.
    `guard` decides about training frames close to validation: "drop" leaves them out, "keep"
    trains on them, "auto" drops them unless that would cost more than a quarter of the training
    frames (with one block: two fifths); then it keeps them and the leakage figure says so.
    """
    if len(samples) < 2:
        raise ValueError("a split needs two samples")
    cutter = _Cutter(samples, val_share)
    draw = random.Random(seed)
    numbers = [k for k in range(MAX_BLOCKS, 0, -1) if k == 1 or cutter.wanted >= k * FRAMES_A_BLOCK]
    if guard != "keep":
        for blocks in numbers:
            best = min(
                (cutter.cut(val, drop=True) for val in cutter.candidates(blocks, draw)),
                key=cutter.badness,
            )
            if cutter.sound(best) and cutter.affordable(best):
                return best
    # one block touches training at two places at most: the least leakage that keeping allows
    tried = numbers if guard == "keep" else [1]
    cuts = [
        [cutter.cut(val, drop=guard == "drop") for val in cutter.candidates(blocks, draw)]
        for blocks in tried
    ]
    bests = [min(these, key=cutter.badness) for these in cuts]
    return next((best for best in bests if cutter.sound(best)), bests[-1])


class _Cutter:
    """The samples as arrays, and what makes a cut of them good."""

    def __init__(self, samples: Sequence[Sample], val_share: float) -> None:
        self.samples = samples
        self.times = np.array([sample.time_s for sample in samples])
        self.present = frozenset[int]().union(*(sample.classes for sample in samples))
        self.wanted = min(max(round(len(samples) * val_share), 1), len(samples) - 1)

    def candidates(self, blocks: int, draw: random.Random) -> Iterator[list[int]]:
        """Cuts into `blocks` validation blocks: one in each equal part of the frames."""
        count, wanted = len(self.samples), self.wanted
        parts = [
            (
                round(i * count / blocks),
                round((i + 1) * count / blocks),
                round((i + 1) * wanted / blocks) - round(i * wanted / blocks),
            )
            for i in range(blocks)
        ]
        if blocks == 1:
            starts = list(range(count - wanted + 1))
            draw.shuffle(starts)  # short videos are searched to the end, long ones have enough
            yield from (list(range(start, start + wanted)) for start in starts[: 4 * DRAWS])
            return
        for _ in range(DRAWS):
            chosen: list[int] = []
            for first, end, length in parts:
                start = draw.randint(first, end - length)
                chosen += range(start, start + length)
            yield chosen

    def cut(self, val: list[int], *, drop: bool) -> Split:
        rest = np.setdiff1d(np.arange(len(self.samples)), val)
        near = (
            _near(self.times[rest], self.times[val], GUARD_S) if drop else np.zeros(len(rest), bool)
        )
        train = rest[~near].tolist()
        return Split(
            train=tuple(train),
            val=tuple(val),
            dropped=tuple(rest[near].tolist()),
            leakage=leakage(self.times[train].tolist(), self.times[val].tolist()),
            unteachable=tuple(sorted(self.present - self._classes(train))),
            unjudged=tuple(sorted(self.present - self._classes(val))),
        )

    def sound(self, split: Split) -> bool:
        """Every class is taught, and there is something to judge."""
        return bool(split.train) and not split.unteachable and self._judges(split)

    def affordable(self, split: Split) -> bool:
        one = split.val[-1] - split.val[0] + 1 == len(split.val)
        share = AFFORDABLE_DROP_ONE if one else AFFORDABLE_DROP
        return len(split.dropped) <= share * (len(self.samples) - len(split.val))

    def badness(self, split: Split) -> tuple[float, ...]:
        """Smaller is better; equals are left to the order of the draw, so to the seed."""
        return (
            len(split.unteachable) + (not split.train),
            not self._judges(split),
            not self.affordable(split),
            len(split.unjudged),
            split.leakage,
        )

    def _judges(self, split: Split) -> bool:
        return len(split.unjudged) < len(self.present)

    def _classes(self, positions: Sequence[int]) -> frozenset[int]:
        return frozenset[int]().union(*(self.samples[i].classes for i in positions))


def _near(
    these: np.ndarray[tuple[int], np.dtype[np.float64]],
    others: np.ndarray[tuple[int], np.dtype[np.float64]],
    within_s: float,
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of `these` times have one of `others` within `within_s`; a microsecond is rounding."""
    ordered = np.sort(others)
    right = np.searchsorted(ordered, these)
    after = np.append(ordered, np.inf)[right] - these
    before = these - np.insert(ordered, 0, -np.inf)[right]
    return np.minimum(after, before) <= within_s + 1e-6
