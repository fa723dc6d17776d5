"""What candidates look like: the foreground against a running background, in few numbers each.

A whole frame's hash says nothing where small animals move on a floor that stays: here a median of
the frames around is the floor, and what differs from it is looked at alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from services.video_processor.engines.frames import Table, decode_frames
from shared.progress.report import Report

LONG_SIDE = 128  # pixels of the small picture that is looked at
MASK_SIZE = (64, 48)  # of the stored foreground, width and height
GRID = (6, 4)  # cells over the picture, columns and rows: where things are
BLOB = 8  # pixels, side of the small picture of a blob: what it looks like
BLOBS = 2  # the largest ones
BLOCK = 256  # candidates that share a background
REMEMBERED = 128  # older pictures that count for it: animals that sleep for minutes do not sink in
LEAST_CONTRAST = 10  # grey levels; less is noise whatever the statistics say
FILLED = 63  # of 255: a cell of the stored foreground is set when a quarter of it is
SMALLEST_BLOB = 6  # small pixels
MOTION_S = 0.2  # time over which change is measured
DARKEST = 8  # grey levels, below which a place tells nothing of how bright the picture is
STEADY = (0.1, 0.4, 0.03, 0.1)  # spread of each group of features: less is noise, and stays small

Grey = NDArray[np.uint8]


@dataclass
class Sights:
    """What was seen, by candidate in the order asked."""

    features: NDArray[np.float32]  # (n, d), groups not weighted yet
    groups: tuple[slice, ...]  # columns that belong together
    masks: NDArray[np.uint8]  # (n, bytes) packed foreground
    cover: NDArray[np.float32]  # (n,) share of the picture that is foreground, 0..1
    motion: NDArray[np.float32] | None  # (n,) 0..1


@dataclass
class _Background:
    """A median of the block and of a sample of what came before."""

    rng: np.random.Generator
    kept: list[Grey] = field(default_factory=list)
    passed: int = 0

    def of(self, block: list[Grey]) -> Grey:
        median = np.median(np.stack([*self.kept, *block]), axis=0).astype(np.uint8)
        for picture in block:  # reservoir sampling: each so far is kept with the same chance
            self.passed += 1
            if len(self.kept) < REMEMBERED:
                self.kept.append(picture)
            elif (place := int(self.rng.integers(self.passed))) < REMEMBERED:
                self.kept[place] = picture
        return median


def look(
    video: Path,
    table: Table,
    frames: NDArray[np.int64],
    *,
    motion: bool,
    seed: int,
    report: Report,
) -> Sights:
    """Decode `video` once and look at `frames`; memory is a block of small pictures and the result.

    `report` gets fractions 0..1. Raises `MediaRejected` for a frame that cannot be decoded.
    """
    groups = _groups()
    count = len(frames)
    sights = Sights(
        features=np.zeros((count, groups[-1].stop), np.float32),
        groups=groups,
        masks=np.zeros((count, MASK_SIZE[0] * MASK_SIZE[1] // 8), np.uint8),
        cover=np.zeros(count, np.float32),
        motion=np.zeros(count, np.float32) if motion else None,
    )
    background = _Background(np.random.default_rng((seed, 3)))
    rows: list[int] = []
    block: list[Grey] = []
    for done, (row, picture) in enumerate(_pictures(video, table, frames, sights.motion), 1):
        rows.append(row)
        block.append(picture)
        if len(block) == BLOCK:
            _describe(sights, rows, block, background.of(block))
            rows, block = [], []
        report(done / count, "looking at the frames", frames=done)
    if block:
        _describe(sights, rows, block, background.of(block))
    return sights


def _pictures(
    video: Path, table: Table, frames: NDArray[np.int64], motion: NDArray[np.float32] | None
) -> Iterator[tuple[int, Grey]]:
    """Each candidate's row and its small picture; fills `motion` from a frame a moment before."""
    rows = {int(frame): row for row, frame in enumerate(frames)}
    lag = max(1, round(MOTION_S * table.fps))
    wanted = set(rows)
    if motion is not None:
        wanted |= {frame - lag for frame in rows if frame >= lag}
    size = _small(table.size)
    recent: dict[int, Grey] = {}
    for number, frame in decode_frames(video, table, sorted(wanted)):
        picture = _grey(frame, size)
        if motion is not None:
            recent[number] = picture
            if len(recent) > 2 * lag + BLOCK:
                del recent[min(recent)]
            before = recent.get(number - lag)
            if number in rows and before is not None:
                change = cv2.absdiff(picture, _relit(before, picture))
                motion[rows[number]] = change[change > LEAST_CONTRAST].sum() / (255 * change.size)
        if number in rows:
            yield rows[number], picture


def _small(size: tuple[int, int]) -> tuple[int, int]:
    scale = LONG_SIDE / max(size)
    return max(8, round(size[0] * scale)), max(8, round(size[1] * scale))


def _grey(frame: VideoFrame, size: tuple[int, int]) -> Grey:
    small = frame.reformat(width=size[0], height=size[1], format="gray", interpolation="AREA")
    return np.asarray(small.to_ndarray(), np.uint8)


def _groups() -> tuple[slice, ...]:
    """Columns: where the foreground is, what its blobs look like, how large they are; the light."""
    cells, looks = GRID[0] * GRID[1], BLOBS * BLOB * BLOB
    ends = np.cumsum([cells, looks, BLOBS * 3 + 2, 2]).tolist()
    return tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))


def _describe(sights: Sights, rows: list[int], block: list[Grey], floor: Grey) -> None:
    """Fill the rows of one block."""
    floors = [_relit(floor, picture) for picture in block]
    seen = list(zip(block, floors, strict=True))
    noise = np.median(np.stack([cv2.absdiff(picture, under) for picture, under in seen[::8]]))
    least = max(LEAST_CONTRAST, 6 * float(noise))
    for row, (picture, under) in zip(rows, seen, strict=True):
        change = cv2.absdiff(picture, under)
        mask = (change > least).astype(np.uint8)
        sights.cover[row] = mask.mean()
        stored = cv2.resize(mask * 255, MASK_SIZE, interpolation=cv2.INTER_AREA) > FILLED
        sights.masks[row] = np.packbits(stored)
        where, looks, shapes, light = sights.groups
        sights.features[row, light] = np.log2((picture.mean() + 1, picture.std() + 1))
        grid = cv2.resize(mask.astype(np.float32), GRID, interpolation=cv2.INTER_AREA)
        sights.features[row, where] = np.sqrt(grid).ravel()
        sights.features[row, looks], sights.features[row, shapes] = _blobs(mask, picture, under)


def _relit(picture: Grey, other: Grey) -> Grey:
    """`picture` in the light of `other`: a lamp that goes out moves nothing."""
    bright = picture >= DARKEST
    if not bright.any():
        return picture
    gain = float(np.median(other[bright] / picture[bright].astype(np.float32)))
    return cv2.convertScaleAbs(picture, alpha=gain)  # type: ignore[return-value]


def _blobs(
    mask: Grey, picture: Grey, floor: Grey
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The largest blobs: a small picture of each, its area and sides; how many, and how far apart."""
    _, _, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [int(i) + 1 for i in np.argsort(-areas, kind="stable") if areas[i] >= SMALLEST_BLOB]
    looks = np.zeros((BLOBS, BLOB, BLOB), np.float32)
    shapes = np.zeros(BLOBS * 3 + 2, np.float32)
    height, width = mask.shape
    change = picture.astype(np.float32) - floor
    for place, blob in enumerate(order[:BLOBS]):
        x, y, w, h, area = stats[blob][:5]
        crop = np.ascontiguousarray(change[y : y + h, x : x + w])
        crop = cv2.resize(crop, (BLOB, BLOB), interpolation=cv2.INTER_AREA)
        spread = float(np.linalg.norm(crop))
        looks[place] = crop / spread if spread else crop
        shapes[place * 3 : place * 3 + 3] = np.sqrt(area / mask.size), w / width, h / height
    shapes[-2] = np.log1p(len(order))
    if len(order) >= BLOBS:
        gap = (centres[order[0]] - centres[order[1]]) / (width, height)
        shapes[-1] = float(np.linalg.norm(gap))
    return looks.ravel(), shapes
