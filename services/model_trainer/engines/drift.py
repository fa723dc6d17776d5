"""Whether an analysis looks unlike another: the population stability index of its boxes.

The values of the reference are cut into ten classes of equal size; PSI sums (q - p) ln(q / p) over
the classes' shares p and q. Boxes of one frame and of its neighbours are alike, so a frame counts as
one observation, however many boxes it has.
"""

from __future__ import annotations

import csv
import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

CLASSES = 10
CHANCE_Z = 3.09
"""Of the normal distribution: a value above it is a matter of chance once in a thousand cases."""
MOST_ROWS = 2_000_000
"""Boxes of an analysis that are read: 50 MB; what comes later says the same."""


@dataclass
class Seen:
    """What an analysis found."""

    score: array[float] = field(default_factory=lambda: array("d"))  # confidence of each box, 0..1
    box_size: array[float] = field(default_factory=lambda: array("d"))  # root of its area, pixels
    count: array[float] = field(default_factory=lambda: array("d"))  # boxes in each frame

    @property
    def frames(self) -> int:
        """Analysed frames from the first with a box to the last."""
        return len(self.count)


def read_results(results_csv: Path) -> Seen:
    """What results.csv tells; frames without a box are those between frames that have some."""
    seen = Seen()
    per_frame: dict[int, int] = {}
    with results_csv.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if number >= MOST_ROWS:
                break
            frame = int(row["frame"])
            per_frame[frame] = per_frame.get(frame, 0) + 1
            seen.score.append(float(row["confidence"]))
            seen.box_size.append(math.sqrt(max(float(row["w"]) * float(row["h"]), 0.0)))
    if per_frame:
        frames = sorted(per_frame)
        step = min((b - a for a, b in pairwise(frames)), default=1)
        last = frames[-1]
        seen.count.extend(per_frame.get(f, 0) for f in range(frames[0], last + 1, max(step, 1)))
    return seen


def population_stability_index(reference: Sequence[float], other: Sequence[float]) -> float:
    """PSI of `other` against the classes of `reference`; 0 = the same shares in every class."""
    edges = _edges(reference)
    expected, found = _shares(reference, edges), _shares(other, edges)
    return sum((q - p) * math.log(q / p) for p, q in zip(expected, found, strict=True))


def _edges(values: Sequence[float]) -> list[float]:
    """Where one class ends and the next begins; fewer where many values are the same."""
    ordered = sorted(values)
    cuts = (ordered[len(ordered) * step // CLASSES] for step in range(1, CLASSES))
    return sorted({cut for cut in cuts if cut > ordered[0]})


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    """The share of each class; half a value in each, so that none is empty."""
    counts = [0.5] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    total = sum(counts)
    return [count / total for count in counts]


def chance_limit(reference_frames: int, other_frames: int) -> float:
    """The PSI that chance alone exceeds once in a thousand times, for so many observations."""
    freedom = CLASSES - 1
    return (1 / reference_frames + 1 / other_frames) * (freedom + CHANCE_Z * math.sqrt(2 * freedom))
