"""Boxes and frames with labels, and the check that every box passes before it is believed."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shared.labels.errors import LabelInvalid

EDGE_TOLERANCE = 1e-3  # of the image side: what tools lose by rounding (a pixel in a thousand)
ROUNDING = 2e-6  # six written decimals move an edge by less: such boxes stay as they are
SMALLEST_SIDE = 1e-4  # of the image side: a tenth of a pixel in 1000, nobody drew that on purpose


@dataclass(frozen=True, slots=True)
class Box:
    """One object; centre and size as shares of the image's width and height, 0..1 (YOLO)."""

    class_id: int
    cx: float
    cy: float
    w: float
    h: float
    identity: int | None = field(default=None, kw_only=True)
    """Which animal it is, from 0 on, within one labeling; None where nobody said so."""


class FrameState(StrEnum):
    """What is known about a frame; only the first two teach a detector anything."""

    LABELLED = "labelled"
    EMPTY = "empty"  # somebody looked and confirmed: no animal here
    UNSEEN = "unseen"  # nobody looked: never train on it, an animal may be in it


@dataclass(frozen=True, slots=True)
class FrameLabels:
    """The labels of one frame; `boxes` is empty unless `state` is LABELLED."""

    frame: int  # index in the video, from 0
    file: str  # name of the image, for example 00000012.jpg
    state: FrameState
    boxes: tuple[Box, ...] = ()
    seconds: float | None = None  # that a person had it open, where the tool tells

    @classmethod
    def seen(cls, frame: int, file: str, boxes: list[Box] | tuple[Box, ...]) -> FrameLabels:
        """Of a frame that somebody looked at: LABELLED, or EMPTY when nothing is in it."""
        state = FrameState.LABELLED if boxes else FrameState.EMPTY
        return cls(frame, file, state, tuple(boxes))


@dataclass(frozen=True, slots=True)
class LabelSet:
    """All frames of a task with their labels, in the order of the video."""

    classes: tuple[str, ...]  # the position is the class_id
    frames: tuple[FrameLabels, ...]

    def count(self, state: FrameState) -> int:
        """How many frames are in `state`."""
        return sum(frame.state is state for frame in self.frames)

    @property
    def usable(self) -> tuple[FrameLabels, ...]:
        """The frames that somebody looked at."""
        return tuple(frame for frame in self.frames if frame.state is not FrameState.UNSEEN)

    @property
    def sha256(self) -> str:
        """The same for the same labels, whatever tool or folder they came from (lineage)."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for frame in self.usable:
            digest.update(f"\n{frame.frame} {frame.state}".encode())
            for box in frame.boxes:
                numbers = f"{box.cx:.6f} {box.cy:.6f} {box.w:.6f} {box.h:.6f}"
                animal = "" if box.identity is None else f" {box.identity}"
                digest.update(f"\n{box.class_id} {numbers}{animal}".encode())
        return digest.hexdigest()


def checked_box(box: Box, classes: tuple[str, ...] | list[str], *, where: str) -> Box:
    """`box` as it may be used: inside the image, clipped where only rounding put it outside.

    `where` opens the sentence of the error, for example ``labels/7/00000012.txt line 3``.
    Raises `LabelInvalid`.
    """
    if not 0 <= box.class_id < len(classes):
        known = ", ".join(f"{i} = {name}" for i, name in enumerate(classes))
        raise LabelInvalid(
            f"{where}: class {box.class_id} does not exist; the classes are {known or 'none'}. "
            "Correct the class number, or add the class to classes.txt."
        )
    for name, value in (("cx", box.cx), ("cy", box.cy), ("width", box.w), ("height", box.h)):
        if not math.isfinite(value):
            raise LabelInvalid(f"{where}: {name} is {value}, not a number. Draw this box again.")
        if not -EDGE_TOLERANCE <= value <= 1 + EDGE_TOLERANCE:
            raise LabelInvalid(
                f"{where}: {name} is {value:g}, outside 0..1. YOLO boxes are shares of the image's "
                "width and height, not pixels: divide by them."
            )
    for name, value in (("width", box.w), ("height", box.h)):
        if value < SMALLEST_SIDE:
            raise LabelInvalid(
                f"{where}: {name} is {value:g}; a box needs at least {SMALLEST_SIDE:g} of the image. "
                "Delete this line, or draw the box again."
            )
    x0, x1 = _clipped_span(box.cx, box.w, "left", "right", where)
    y0, y1 = _clipped_span(box.cy, box.h, "upper", "lower", where)
    if max(abs(box.w - (x1 - x0)), abs(box.h - (y1 - y0))) <= ROUNDING:
        return box
    if min(x1 - x0, y1 - y0) < SMALLEST_SIDE:
        raise LabelInvalid(f"{where}: nothing of the box lies inside the image. Delete this line.")
    return replace(box, cx=(x0 + x1) / 2, cy=(y0 + y1) / 2, w=x1 - x0, h=y1 - y0)


def _clipped_span(
    centre: float, size: float, low: str, high: str, where: str
) -> tuple[float, float]:
    start, end = centre - size / 2, centre + size / 2
    for edge, value in ((low, start), (high, end)):
        if not -EDGE_TOLERANCE <= value <= 1 + EDGE_TOLERANCE:
            raise LabelInvalid(
                f"{where}: the {edge} edge of the box is at {value:.4f}, outside the image (0..1). "
                "The first two numbers are the box's centre, not its corner; "
                "correct them or cut the box at the image's edge."
            )
    return max(start, 0.0), min(end, 1.0)
