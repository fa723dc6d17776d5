"""Letterbox, batches, non-maximum suppression and overlap, in numpy and OpenCV only.

The conventions are those of ultralytics (`data/augment.py` LetterBox, `utils/nms.py`,
`utils/ops.py` scale_boxes), because a model sees in production what it saw in training only when
scale, padding and rounding agree; the tests hold us to its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.serving.port import Batch, RawOutput
from shared.vision.boxes import Detections, Letterbox

PADDING_GREY = 114
MAX_CANDIDATES = 30_000  # the best of them enter suppression, as in ultralytics
MATRIX_LIMIT = 512  # up to here one overlap matrix is quicker than a row for every kept box


def fit(width: int, height: int, size: int) -> tuple[Letterbox, int, int]:
    """The letterbox of a `width` x `height` image in a square, and its scaled width and height."""
    scale = min(size / height, size / width)
    scaled_width = max(round(width * scale), 1)
    scaled_height = max(round(height * scale), 1)
    left = round((size - scaled_width) / 2 - 0.1)
    top = round((size - scaled_height) / 2 - 0.1)
    return Letterbox(scale, float(left), float(top), width, height), scaled_width, scaled_height


def letterbox(image_rgb: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], Letterbox]:
    """`image_rgb` (h, w, 3) scaled bilinearly into the centre of a grey (size, size, 3) canvas."""
    height, width = image_rgb.shape[:2]
    box, scaled_width, scaled_height = fit(width, height, size)
    if (scaled_width, scaled_height) != (width, height):
        image_rgb = cv2.resize(  # type: ignore[assignment]
            image_rgb, (scaled_width, scaled_height), interpolation=cv2.INTER_LINEAR
        )
    canvas = np.full((size, size, 3), PADDING_GREY, dtype=np.uint8)
    left, top = int(box.pad_x), int(box.pad_y)
    canvas[top : top + scaled_height, left : left + scaled_width] = image_rgb
    return canvas, box


def to_batch(canvases: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Batch:
    """Canvases (size, size, 3) uint8 as one (n, 3, size, size) float32 array, 0..1."""
    size = canvases[0].shape[0]
    batch = np.empty((len(canvases), 3, size, size), dtype=np.float32)
    for image, canvas in zip(batch, canvases, strict=True):
        for plane, colour in zip(
            image, cv2.split(canvas), strict=True
        ):  # twice as quick as strided
            np.divide(colour, np.float32(255), out=plane)
    return batch


def non_max_suppression(
    output: RawOutput,
    letterbox: Letterbox,
    confidence: float,
    iou: float,
    max_detections: int = 300,
) -> Detections:
    """The detections in one image's raw output (4 + classes, anchors), in source pixels.

    An anchor counts with its best class when that score is above `confidence`; of two boxes of one
    class that overlap by more than `iou` the better one stays; classes do not suppress each other.
    Boxes are clipped to the image; rows with NaN or infinity and boxes without area are dropped.
    """
    scores = output[4:]
    best = scores[0] if len(scores) == 1 else scores.max(axis=0)
    passing = np.flatnonzero(best > confidence)  # a NaN is not above anything
    if not len(passing):
        return _detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, int))
    rows = output[:, passing].T
    rows = rows[np.isfinite(rows).all(axis=1)]
    score = rows[:, 4:].max(axis=1) if len(rows) else rows[:, 4]
    order = np.argsort(-score, kind="stable")[:MAX_CANDIDATES]
    rows, score = rows[order], score[order]
    class_id = rows[:, 4:].argmax(axis=1)
    half = rows[:, 2:4] / 2
    xyxy = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)

    kept = _suppressed(xyxy, class_id, iou, max_detections)
    xyxy = to_source(xyxy[kept], letterbox)
    solid = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    return _detections(xyxy[solid], score[kept][solid], class_id[kept][solid])


def to_source(xyxy: NDArray[np.float32], letterbox: Letterbox) -> NDArray[np.float32]:
    """Boxes (n, 4) from input pixels to source pixels, clipped to the source image.

    The scaled image has whole pixels, so its true ratio differs a little from `scale` on each axis;
    dividing by the true one puts boxes at the far edge where they belong.
    """
    width, height = letterbox.width, letterbox.height
    ratio_x = max(round(width * letterbox.scale), 1) / width
    ratio_y = max(round(height * letterbox.scale), 1) / height
    shift = np.array([letterbox.pad_x, letterbox.pad_y] * 2, dtype=np.float32)
    ratio = np.array([ratio_x, ratio_y] * 2, dtype=np.float32)
    return np.clip((xyxy - shift) / ratio, 0, np.array([width, height] * 2, dtype=np.float32))


def iou_matrix(a_xyxy: NDArray[np.floating], b_xyxy: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union (n, m), 0..1, of boxes (n, 4) and (m, 4); 0 where both are empty."""
    a_left, a_top, a_right, a_bottom = a_xyxy.T[:, :, None]
    b_left, b_top, b_right, b_bottom = b_xyxy.T[:, None, :]
    width = np.minimum(a_right, b_right) - np.maximum(a_left, b_left)
    height = np.minimum(a_bottom, b_bottom) - np.maximum(a_top, b_top)
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    union = _area(a_xyxy)[:, None] + _area(b_xyxy)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def _area(xyxy: NDArray[np.floating]) -> NDArray[np.floating]:
    side = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    return side[:, 0] * side[:, 1]


def _suppressed(
    xyxy: NDArray[np.float32], class_id: NDArray[np.int64], iou: float, limit: int
) -> NDArray[np.int64]:
    """Indices that survive, best first; the rows come in that order."""
    count = len(xyxy)
    kept: list[int] = []
    if count <= MATRIX_LIMIT:
        clash = (iou_matrix(xyxy, xyxy) > iou) & (class_id[:, None] == class_id)
        alive = np.ones(count, dtype=bool)
        for index in range(count):
            if alive[index]:
                kept.append(index)
                if len(kept) == limit:
                    break
                alive &= ~clash[index]
        return np.array(kept, dtype=np.int64)
    remaining = np.arange(count)
    while len(remaining) and len(kept) < limit:
        best, remaining = remaining[0], remaining[1:]
        kept.append(int(best))
        overlap = iou_matrix(xyxy[best][None], xyxy[remaining])[0]
        remaining = remaining[(overlap <= iou) | (class_id[remaining] != class_id[best])]
    return np.array(kept, dtype=np.int64)


def _detections(
    xyxy: NDArray[np.float32], confidence: NDArray[np.float32], class_id: NDArray[np.int64]
) -> Detections:
    return Detections(
        xyxy.astype(np.float32, copy=False),
        confidence.astype(np.float32, copy=False),
        class_id.astype(np.int64, copy=False),
    )
