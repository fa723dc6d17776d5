"""What would change: two analyses of one video, by the current and by a new version, side by side.

Read from their results.csv (a row is a box; see `COLUMNS`), so that nothing is analysed for it.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Invalid
from shared.vision.geometry import iou_matrix

COLUMNS = frozenset({"frame", "time_s", "track_id", "class", "x", "y", "w", "h"})
SAME_IOU = 0.5  # from here on two boxes are the same animal
MOST_BINS = 600  # of the timeline; longer videos get bins of several seconds


@dataclass(frozen=True)
class RunFigures:
    """One analysis in a few numbers."""

    boxes: int
    by_class: dict[str, int]  # boxes
    tracks: int
    seen_s: float  # time in which at least one animal is seen, seconds


@dataclass(frozen=True)
class ShadowRun:
    """How two analyses of one video differ; `before` is the version that is current."""

    before: RunFigures
    after: RunFigures
    matched: int  # boxes of either run that overlap one of the other by `SAME_IOU`
    only_before: int
    only_after: int
    bin_s: float  # seconds of one place of the timeline
    timeline: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """`before`, `after` -> class -> boxes in a frame, mean over the frames of each bin."""

    @property
    def sentence(self) -> str:
        """The difference for people who decide."""
        one, two = self.before, self.after
        return (
            f"On the same video the new version sees {two.boxes} boxes ({one.boxes} before), "
            f"{two.tracks} tracks ({one.tracks}), and an animal for {two.seen_s:.1f} s "
            f"({one.seen_s:.1f} s); {self.matched} boxes agree, {self.only_before} are gone and "
            f"{self.only_after} are new."
        )

    def figures(self) -> dict[str, Any]:
        """Plain values, for an event."""
        return {**asdict(self), "sentence": self.sentence}


@dataclass(frozen=True)
class _Run:
    """A results.csv by frame."""

    times: dict[int, float]  # frame -> seconds
    boxes: dict[int, NDArray[np.float32]]  # frame -> (n, 4) left, top, right, bottom; pixels
    classes: dict[int, list[str]]
    tracks: set[str]


def compare_runs(before: Path, after: Path, *, class_agnostic: bool = False) -> ShadowRun:
    """The difference of two results.csv of one video.

    With `class_agnostic` all boxes count as `animal`: for models that name the same animals
    differently. Raises `Invalid` for a file that is no such table.
    """
    one, two = _read(before, class_agnostic), _read(after, class_agnostic)
    times = {**one.times, **two.times}
    frame_s = _frame_seconds(times)
    duration = max(times.values(), default=0.0) + frame_s
    bin_s = float(max(1, math.ceil(duration / MOST_BINS)))
    bins = max(1, math.ceil(duration / bin_s - 1e-6))
    matched = sum(_matched(one, two, frame) for frame in set(one.boxes) & set(two.boxes))
    figures = [_figures(run, frame_s) for run in (one, two)]
    return ShadowRun(
        before=figures[0],
        after=figures[1],
        matched=matched,
        only_before=figures[0].boxes - matched,
        only_after=figures[1].boxes - matched,
        bin_s=bin_s,
        timeline={
            name: _timeline(run, bins, bin_s, max(bin_s / frame_s, 1.0) if frame_s else 1.0)
            for name, run in (("before", one), ("after", two))
        },
    )


def _read(file: Path, class_agnostic: bool) -> _Run:
    times: dict[int, float] = {}
    boxes: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    classes: dict[int, list[str]] = defaultdict(list)
    tracks: set[str] = set()
    with file.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        if not set(rows.fieldnames or ()) >= COLUMNS:
            raise Invalid(f"{file.name} is no table of results; analyse the video again.")
        for row in rows:
            frame = int(row["frame"])
            left, top, width, height = (float(row[side]) for side in ("x", "y", "w", "h"))
            times[frame] = float(row["time_s"])
            boxes[frame].append((left, top, left + width, top + height))
            classes[frame].append("animal" if class_agnostic else row["class"])
            if row["track_id"]:
                tracks.add(row["track_id"])
    arrays = {frame: np.array(found, np.float32) for frame, found in boxes.items()}
    return _Run(times, arrays, dict(classes), tracks)


def _frame_seconds(times: dict[int, float]) -> float:
    """Seconds from one analysed frame to the next; the table has no frames without boxes."""
    frames = sorted(times)
    if not frames[1:]:
        return 0.0
    step = min(after - before for before, after in pairwise(frames))
    return (times[frames[-1]] - times[frames[0]]) * step / (frames[-1] - frames[0])


def _figures(run: _Run, frame_s: float) -> RunFigures:
    names = [name for found in run.classes.values() for name in found]
    return RunFigures(
        boxes=len(names),
        by_class={name: names.count(name) for name in sorted(set(names))},
        tracks=len(run.tracks),
        seen_s=round(len(run.boxes) * frame_s, 3),
    )


def _matched(one: _Run, two: _Run, frame: int) -> int:
    """Pairs of boxes of one class that are the same animal; the best overlap first."""
    overlap = iou_matrix(one.boxes[frame], two.boxes[frame])
    same = np.array(one.classes[frame])[:, None] == np.array(two.classes[frame])[None, :]
    overlap = np.where(same, overlap, 0.0)
    pairs = 0
    while overlap.size and overlap.max() >= SAME_IOU:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        overlap[row, :], overlap[:, column] = 0.0, 0.0
        pairs += 1
    return pairs


def _timeline(run: _Run, bins: int, bin_s: float, frames_per_bin: float) -> dict[str, list[float]]:
    counts: dict[str, NDArray[np.float64]] = {}
    for frame, names in run.classes.items():
        place = min(int(run.times[frame] / bin_s), bins - 1)
        for name in names:
            counts.setdefault(name, np.zeros(bins))[place] += 1
    return {
        name: [round(float(count), 3) for count in found / frames_per_bin]
        for name, found in sorted(counts.items())
    }


# --- the picture ----------------------------------------------------------------------------------

WIDTH, HEIGHT, MARGIN = 720, 220, 36  # pixels
BEFORE_BGR, AFTER_BGR, INK_BGR = (150, 150, 150), (200, 110, 20), (60, 60, 60)


def draw_timeline(run: ShadowRun, png: Path) -> Path:
    """Animals in a frame over the time of the video: grey the current version, blue the new one."""
    import cv2

    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    lines = {name: _total(run.timeline.get(name, {})) for name in ("before", "after")}
    bins = max(map(len, lines.values()))
    top = max(1.0, *(max(values, default=0.0) for values in lines.values()))
    font = cv2.FONT_HERSHEY_SIMPLEX
    floor = HEIGHT - MARGIN
    cv2.line(canvas, (MARGIN, floor), (WIDTH - MARGIN, floor), INK_BGR, 1)
    cv2.line(canvas, (MARGIN, MARGIN), (MARGIN, floor), INK_BGR, 1)
    cv2.putText(canvas, f"{top:.1f}", (2, MARGIN + 4), font, 0.38, INK_BGR, 1, cv2.LINE_AA)
    end = f"{bins * run.bin_s:.0f} s"
    cv2.putText(
        canvas, end, (WIDTH - MARGIN - 24, HEIGHT - 14), font, 0.38, INK_BGR, 1, cv2.LINE_AA
    )
    told = (("before", BEFORE_BGR, "current version"), ("after", AFTER_BGR, "new version"))
    for place, (name, colour, words) in enumerate(told):
        at = (MARGIN + 150 * place, 20)
        cv2.putText(canvas, words, at, font, 0.45, colour, 1, cv2.LINE_AA)
        points = _steps(lines[name], top, floor)
        cv2.polylines(
            canvas, [points], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA
        )
    _, encoded = cv2.imencode(".png", canvas)
    png.write_bytes(encoded.tobytes())
    return png


def _total(by_class: dict[str, list[float]]) -> list[float]:
    """Animals of all classes, bin by bin."""
    return [sum(each) for each in zip(*by_class.values(), strict=True)] or [0.0]


def _steps(values: Sequence[float], top: float, floor: int) -> NDArray[np.int32]:
    """A staircase through `values`, as points (2 n, 2) of the picture."""
    edges = np.linspace(MARGIN, WIDTH - MARGIN, len(values) + 1)
    heights = floor - np.array(values) / top * (floor - MARGIN)
    x = np.repeat(edges, 2)[1:-1]
    return np.stack([x, np.repeat(heights, 2)], axis=1).round().astype(np.int32)
