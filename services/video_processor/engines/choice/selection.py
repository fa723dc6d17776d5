"""From rankings to frames: shares of the budget, a gap in time, nothing twice, nothing alike."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.video_processor.engines.choice.port import Chosen, Ranked
from shared.vision.geometry import iou_matrix

SAME_BOX = 0.8  # intersection over union of two boxes in one place
SAME_FOREGROUND = 0.8  # the same, of two foregrounds
ALL_FOREGROUND = 0.5  # share of the picture: then the camera moves, and the foreground says nothing
CLOSE = 1e-9  # seconds, of rounding


@dataclass(frozen=True)
class Looks:
    """What tells whether two candidates show the same."""

    masks: NDArray[np.uint8]  # (n, bytes) packed foreground
    cover: NDArray[np.float32]  # (n,) 0..1
    boxes: Mapping[int, NDArray[np.float32]] | None  # row -> (m, 4); None: no results

    def alike(self, row: int, others: Sequence[int]) -> bool:
        """Whether `row` shows what one of `others` shows, boxes and foreground both."""
        blind = bool(self.cover[row] > ALL_FOREGROUND)
        if not others or (blind and self.boxes is None):
            return False
        rows = np.asarray(others)
        if not blind:
            both = np.bitwise_count(self.masks[rows] & self.masks[row]).sum(axis=1, dtype=int)
            either = np.bitwise_count(self.masks[rows] | self.masks[row]).sum(axis=1, dtype=int)
            rows = rows[both >= SAME_FOREGROUND * either]
        return any(self._same_boxes(row, int(other)) for other in rows)

    def _same_boxes(self, row: int, other: int) -> bool:
        if self.boxes is None:
            return True
        mine, theirs = self.boxes.get(row), self.boxes.get(other)
        if mine is None or theirs is None:
            return mine is theirs
        if len(mine) != len(theirs):
            return False
        overlap = iou_matrix(mine, theirs)
        return bool(
            (overlap.max(axis=0) >= SAME_BOX).all() and (overlap.max(axis=1) >= SAME_BOX).all()
        )


@dataclass
class Times:
    """Moments that are taken, and whether another keeps its distance."""

    gap_s: float
    times: list[float] = field(default_factory=list)

    def free(self, time_s: float) -> bool:
        """Whether no moment lies within the gap."""
        at = bisect_left(self.times, time_s)
        around = self.times[max(at - 1, 0) : at + 1]
        return all(abs(time_s - each) >= self.gap_s - CLOSE for each in around)

    def take(self, time_s: float) -> None:
        """Take a moment."""
        insort(self.times, time_s)


class Picker:
    """Takes candidates as long as they keep to the rules."""

    def __init__(
        self, frames: Sequence[int], times: Sequence[float], looks: Looks, gap_s: float
    ) -> None:
        self.chosen: dict[int, Chosen] = {}  # by frame
        self._frames, self._all_times, self._looks = frames, times, looks
        self._new, self._old = Times(gap_s), Times(gap_s)
        self._rows: list[int] = []
        self._taken: set[int] = set()

    def know(self, frame: int, time_s: float, row: int | None) -> None:
        """A frame of an earlier round."""
        self._taken.add(frame)
        self._old.take(time_s)
        if row is not None:
            self._rows.append(row)

    def take(
        self, ranked: Ranked, strategy: str, *, alike: bool = False, near: bool = False
    ) -> bool:
        """Take a candidate unless it breaks a rule; `alike` and `near` (to old ones) lift one each."""
        frame, time_s = int(self._frames[ranked.row]), float(self._all_times[ranked.row])
        if not self.fits(frame, time_s, near=near):
            return False
        if not alike and self._looks.alike(ranked.row, self._rows):
            return False
        self._rows.append(ranked.row)
        self.put(frame, time_s, strategy, ranked.score)
        return True

    def fits(self, frame: int, time_s: float, *, near: bool = False) -> bool:
        """Whether a frame is new and far enough in time from the others."""
        if frame in self._taken or frame in self.chosen or not self._new.free(time_s):
            return False
        return near or self._old.free(time_s)

    def put(self, frame: int, time_s: float, strategy: str, score: float) -> None:
        """Take a frame that fits."""
        self.chosen[frame] = Chosen(frame, time_s, strategy, round(score, 6))
        self._new.take(time_s)


def shared_out(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """`count` whole frames by `shares` (any scale, sum above 0): the largest remainders round up."""
    total = sum(shares.values())
    exact = {name: count * share / total for name, share in shares.items()}
    whole = {name: int(each) for name, each in exact.items()}
    order = sorted(shares, key=lambda name: (whole[name] - exact[name], -shares[name], name))
    for name in order[: count - sum(whole.values())]:
        whole[name] += 1
    return whole


def pick(
    picker: Picker,
    count: int,
    shares: Mapping[str, float],
    rankings: Mapping[str, Sequence[Ranked]],
) -> dict[str, int]:
    """Let each strategy take its share of `count`; what one cannot use goes to the others.

    `rankings` are in the order in which the strategies choose. Returns how many each fell short of
    its first share.
    """
    queues = {name: iter(ranking) for name, ranking in rankings.items()}
    short: dict[str, int] = {}
    while queues and (left := count - len(picker.chosen)) > 0:
        quotas = shared_out(left, {name: shares[name] for name in queues})
        for name in list(queues):
            need = quotas[name]
            while need:
                ranked = next(queues[name], None)
                if ranked is None:
                    del queues[name]
                    short[name] = short.get(name, 0) + need
                    break
                need -= picker.take(ranked, name)
        if not any(quotas.values()):
            break
    return short
