"""The frames among which the strategies choose, and all that is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.video_processor.engines.choice import sight
from services.video_processor.engines.choice.breaks import track_breaks
from services.video_processor.engines.choice.doubt import doubts
from services.video_processor.engines.choice.port import Material
from services.video_processor.engines.choice.results import boxes_of, stride
from services.video_processor.engines.choice.selection import Looks, Times
from services.video_processor.engines.frames import Table
from shared.progress.report import Report

LEAST = 4096  # candidates of a long video, at a regular distance
FOR_EACH = 4  # candidates for each frame asked for, where that is more
EXTRA = 3  # the best of a figure for each frame asked for join them
NO_RESULTS = "the last model has not analysed this video yet"
SURE = "the last model found nothing that it is unsure of"
NO_TRACKS = "the last analysis holds no tracks"
NO_BREAK = "no track of the last analysis breaks in the middle of the picture"
STILL = "nothing moves"
BOX_CELLS = (6, 4)  # columns and rows over the picture, where the boxes' centres lie
STEADY = (
    0.3,
    0.05,
)  # spread of where boxes lie, and of their shapes: less is noise, and stays small
PLACE = 0.5  # weight of where things are: a detector sees alike all over the picture


@dataclass(frozen=True)
class Gathered:
    """What the strategies rank, and what tells whether two frames show the same."""

    material: Material
    looks: Looks


def gather(
    video: Path,
    table: Table,
    count: int,
    *,
    gap_s: float,
    motion: bool,
    seed: int,
    taken: Sequence[int],
    last: Path | None,
    other: Path | None,
    report: Report,
    avoid_s: Sequence[tuple[float, float]] = (),
) -> Gathered:
    """Read the results, choose the candidates, decode the video once and look at them.

    Memory: two figures a frame of the video, and a few hundred numbers a candidate.
    """
    total = len(table)
    doubt = doubts(last, other, total) if last else None
    breaks = track_breaks(last, total, table.fps or 1.0, table.size) if last else None
    frames = _candidates(table, count, gap_s, taken, [doubt, breaks])
    frames = frames[np.isin(frames, allowed(table, avoid_s)) | np.isin(frames, taken)]
    sights = sight.look(video, table, frames, motion=motion, seed=seed, report=report)
    boxes = _boxes(last, frames) if last else None
    features = [
        _weighted(sights.features[:, group], weight, steady)
        for group, weight, steady in zip(
            sights.groups, (PLACE, 1.0, 1.0, 1.0), sight.STEADY, strict=True
        )
    ]
    if boxes is not None:
        where, shape = _box_features(boxes, len(frames), table.size)
        features += [_weighted(where, PLACE, STEADY[0]), _weighted(shape, 1.0, STEADY[1])]
    moved = sights.motion if sights.motion is not None and sights.motion.any() else None
    material = Material(
        frames=frames,
        times=np.array([table.time_s(int(frame)) for frame in frames]),
        taken=np.isin(frames, np.asarray(taken, np.int64)),
        features=np.concatenate(features, axis=1),
        motion=moved,
        uncertainty=None if doubt is None else doubt[frames],
        track_breaks=None if breaks is None else breaks[frames],
        reasons=(
            ("motion", STILL),
            ("uncertainty", NO_RESULTS if last is None else SURE),
            ("track_breaks", _why_no_breaks(last, breaks)),
        ),
    )
    return Gathered(material, Looks(sights.masks, sights.cover, boxes))


def _why_no_breaks(last: Path | None, breaks: NDArray[np.float32] | None) -> str:
    if last is None:
        return NO_RESULTS
    return NO_TRACKS if breaks is None else NO_BREAK


def allowed(table: Table, avoid_s: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """The frames outside of `avoid_s`; all where none is outside."""
    every = np.arange(len(table))
    times = np.array([table.time_s(int(frame)) for frame in every]) if avoid_s else np.empty(0)
    inside = np.zeros(len(every), bool)
    for begin, end in avoid_s:
        inside |= (times >= begin) & (times <= end)
    return every if inside.all() else every[~inside]


def _candidates(
    table: Table,
    count: int,
    gap_s: float,
    taken: Sequence[int],
    figures: Sequence[NDArray[np.float32] | None],
) -> NDArray[np.int64]:
    """All frames of a short video; of a long one a grid, the best by each figure, earlier ones."""
    total = len(table)
    most = max(LEAST, FOR_EACH * count)
    if total <= most:
        return np.arange(total)
    grid = np.linspace(0, total - 1, most).round().astype(np.int64)
    best = [_peaks(figure, table, EXTRA * count, gap_s) for figure in figures if figure is not None]
    return np.unique(np.concatenate([grid, np.asarray(taken, np.int64), *best]))


def _peaks(
    figure: NDArray[np.float32], table: Table, wanted: int, gap_s: float
) -> NDArray[np.int64]:
    """The `wanted` best frames that keep a gap in time."""
    times = Times(gap_s)
    found: list[int] = []
    for frame in np.argsort(-figure, kind="stable").tolist():
        if figure[frame] <= 0 or len(found) == wanted:
            break
        if times.free(table.time_s(frame)):
            times.take(table.time_s(frame))
            found.append(frame)
    return np.array(found, np.int64)


def _boxes(last: Path, frames: NDArray[np.int64]) -> dict[int, NDArray[np.float32]]:
    """Boxes (m, 4) by row; a frame that was passed over has those of the analysed one before it.

    Without that, a video of which every second frame was analysed would hold two kinds of pictures.
    """
    step = stride(last)
    asked = frames // step * step
    found = boxes_of(last, set(asked.tolist()))
    return {row: found[frame] for row, frame in enumerate(asked.tolist()) if frame in found}


def _box_features(
    boxes: Mapping[int, NDArray[np.float32]], count: int, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(count, d) each: where boxes lie; how many, how large, how long, how close to each other."""
    columns, rows = BOX_CELLS
    where = np.zeros((count, columns * rows), np.float32)
    shape = np.zeros((count, 5), np.float32)
    scale = np.array([*size, *size], np.float32)
    for row, pixels in boxes.items():
        left, top, right, bottom = (pixels / scale).T
        x, y = np.clip((left + right) / 2, 0, 0.999), np.clip((top + bottom) / 2, 0, 0.999)
        cells = (y * rows).astype(int) * columns + (x * columns).astype(int)
        where[row] = np.sqrt(np.bincount(cells, minlength=columns * rows))
        area = np.sqrt(np.maximum((right - left) * (bottom - top), 0))
        long = (right - left) / np.maximum(right - left + bottom - top, 1e-6)
        apart = np.hypot(x[:, None] - x, y[:, None] - y) + 2 * np.eye(len(x))
        closest = min(float(apart.min()), 1.0)
        shape[row] = (np.log1p(len(x)), area.mean(), long.mean(), long.std(), closest)
    return where, shape


def _weighted(group: NDArray[np.float32], weight: float, steady: float) -> NDArray[np.float32]:
    """The columns of one group, so that its spread is `weight`; less, where it was below `steady`."""
    return group * (weight / max(float(np.sqrt(group.var(axis=0).sum())), steady))
