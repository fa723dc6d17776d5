"""How unsure a model is of a frame: entropy and margin of its boxes, and another model's view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.video_processor.engines.choice.results import Found, read, stride
from shared.vision.geometry import iou_matrix

SAME_ANIMAL = 0.5  # intersection over union of two boxes that mean one animal
LEAST_CERTAIN = 3  # boxes of a frame whose entropy counts: many sure animals do not hide one unsure


def doubts(last: Path, other: Path | None, total: int) -> NDArray[np.float32]:
    """(total,) for each frame of the video the mean of what is known of its doubt, 0..1.

    `last` and `other` are results.csv of two models; memory is one figure a frame of the video.
    """
    found = np.zeros(total, np.float32)
    for mine, theirs in _together(last, other):
        if mine.frame < total:
            figures = [entropy(mine), margin_doubt(mine)]
            if theirs is not None:
                figures.append(disagreement(mine, theirs))
            found[mine.frame] = sum(figures) / len(figures)
    return found


def entropy(found: Found) -> float:
    """Mean binary entropy, in bits, of the least certain boxes; 0 without boxes."""
    sure = np.clip(found.confidence.astype(float), 1e-6, 1 - 1e-6)
    bits = -(sure * np.log2(sure) + (1 - sure) * np.log2(1 - sure))
    return float(np.sort(bits)[-LEAST_CERTAIN:].mean()) if len(bits) else 0.0


def margin_doubt(found: Found) -> float:
    """1 - the smallest margin of a box over its rival; 0 without boxes.

    The rival is the best box of another class in the same place, or "no animal", which is as
    likely as the box is not.
    """
    if not len(found):
        return 0.0
    sure = found.confidence.astype(float)
    rivals = 1 - sure
    kinds = np.array(found.classes)
    contested = (iou_matrix(found.xyxy, found.xyxy) >= SAME_ANIMAL) & (kinds[:, None] != kinds)
    rivals = np.maximum(rivals, np.where(contested, sure[None], 0).max(axis=1))
    return float(1 - np.abs(sure - rivals).min())


def disagreement(mine: Found, theirs: Found) -> float:
    """1 - the overlap of the boxes that both see, over the boxes that either sees; 0..1.

    Boxes are paired by intersection over union, the best first; classes do not count, because the
    global model has other ones.
    """
    boxes = len(mine) + len(theirs)
    if not boxes:
        return 0.0
    shared = 0.0
    if len(mine) and len(theirs):
        overlap = iou_matrix(mine.xyxy, theirs.xyxy).astype(float)
        while (best := float(overlap.max())) >= SAME_ANIMAL:
            row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
            shared += best
            overlap[row] = overlap[:, column] = 0
    return max(0.0, 1 - 2 * shared / boxes)


def _together(last: Path, other: Path | None) -> Iterator[tuple[Found, Found | None]]:
    """Frame by frame; where only one model was asked, the other has no opinion."""
    if other is None:
        for mine in read(last):
            yield mine, None
        return
    steps = stride(last), stride(other)
    ends = _last_frame(last), _last_frame(other)
    ours, theirs = read(last), read(other)
    a, b = next(ours, None), next(theirs, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.frame < b.frame):
            assert a is not None
            asked = a.frame % steps[1] == 0 and a.frame <= ends[1]
            yield a, (Found.nothing(a.frame) if asked else None)
            a = next(ours, None)
        elif a is None or b.frame < a.frame:
            if b.frame % steps[0] == 0 and b.frame <= ends[0]:
                yield Found.nothing(b.frame), b
            b = next(theirs, None)
        else:
            yield a, b
            a, b = next(ours, None), next(theirs, None)


def _last_frame(table: Path) -> int:
    """The last frame with boxes; an analysis may have stopped before the video's end."""
    return max((found.frame for found in read(table)), default=-1)
