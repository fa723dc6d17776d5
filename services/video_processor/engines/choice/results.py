"""results.csv of an analysis, read frame by frame: a long video's does not fit into memory."""

from __future__ import annotations

import csv
import math
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import Invalid

STRIDE_ROWS = 5000  # looked at to learn which frames were analysed
SEEN = 0.25  # confidence of a box that counts for what a frame shows; doubt looks at all of them


@dataclass(frozen=True)
class Found:
    """What a model found in one frame."""

    frame: int
    xyxy: NDArray[np.float32]  # (n, 4) left, top, right, bottom; pixels of the video
    confidence: NDArray[np.float32]  # (n,) 0..1
    tracks: tuple[str, ...]  # n; empty where nothing was tracked
    classes: tuple[str, ...]  # n

    def __len__(self) -> int:
        return len(self.confidence)

    @classmethod
    def nothing(cls, frame: int) -> Found:
        """A frame without boxes: the table has no row of it."""
        return cls(frame, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), ())


def read(table: Path) -> Iterator[Found]:
    """The frames with boxes, in the order of the video. Raises `Invalid` with the line."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        before = -1
        for frame, group in groupby(_checked(rows, table), key=lambda row: row[0]):
            if frame <= before:
                raise _unusable(table, rows.line_num, "its frames are not in order")
            before = frame
            boxes = list(group)
            yield Found(
                frame,
                np.array([row[1] for row in boxes], np.float32),
                np.array([row[2] for row in boxes], np.float32),
                tuple(row[3] for row in boxes),
                tuple(row[4] for row in boxes),
            )


def boxes_of(table: Path, frames: Container[int]) -> dict[int, NDArray[np.float32]]:
    """Boxes (n, 4) of confidence `SEEN` or more, of those of `frames` that have any.

    Faint boxes flicker: with them no two frames of sleeping animals would look alike.
    """
    return {
        found.frame: found.xyxy[sure]
        for found in read(table)
        if found.frame in frames and (sure := found.confidence >= SEEN).any()
    }


def stride(table: Path) -> int:
    """Every how many frames the video was analysed, as far as the table shows; at least 1."""
    step = 0
    for found in islice(read(table), STRIDE_ROWS):
        step = math.gcd(step, found.frame)
    return max(step, 1)


Row = tuple[int, tuple[float, float, float, float], float, str, str]


def _checked(rows: csv.DictReader[str], table: Path) -> Iterator[Row]:
    for row in rows:
        try:
            x, y, w, h, sure = (float(row[name]) for name in ("x", "y", "w", "h", "confidence"))
            frame, track, kind = int(row["frame"]), row["track_id"] or "", row["class"] or ""
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(table, rows.line_num, repr(error)) from error
        if not all(map(math.isfinite, (x, y, w, h, sure))) or frame < 0:
            raise _unusable(table, rows.line_num, "a value is out of range")
        yield frame, (x, y, x + w, y + h), min(max(sure, 0.0), 1.0), track, kind


def _unusable(table: Path, line: int, why: str) -> Invalid:
    return Invalid(
        f"{table.name} line {line} cannot be read ({why}). Analyse the video again, then start the "
        "round again."
    )
