"""The exported detector as a stranger would run it: ONNX Runtime, letterbox, suppression.

On purpose not the services' own inference code: a measurement should not share its mistakes.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shared.vision.boxes import Detections, Letterbox

PAD = 114  # grey level around a letterboxed picture, as in ultralytics


def letterbox(picture: NDArray[np.uint8], size: int) -> tuple[NDArray[np.float32], Letterbox]:
    """(h, w, 3) RGB -> (3, size, size) RGB 0..1, scaled with its proportions kept, padded with 114."""
    height, width = picture.shape[:2]
    scale = min(size / width, size / height)
    new_width, new_height = round(width * scale), round(height * scale)
    pad_x, pad_y = (size - new_width) // 2, (size - new_height) // 2
    square = np.full((size, size, 3), PAD, np.uint8)
    small = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    square[pad_y : pad_y + new_height, pad_x : pad_x + new_width] = small
    planes = square.transpose(2, 0, 1).astype(np.float32) / 255
    return planes, Letterbox(scale, float(pad_x), float(pad_y), width, height)


def suppressed(
    xyxy: NDArray[np.float32], confidence: NDArray[np.float32], iou: float
) -> NDArray[np.int64]:
    """Indices that greedy non-maximum suppression keeps, best first."""
    order, kept = np.argsort(-confidence), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlap(xyxy[best][None], xyxy[order])[0] <= iou]
    return np.array(kept, dtype=np.int64)


def overlap(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Intersection over union of every box of `a` (n, 4) with every one of `b` (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    return shared / (area_a[:, None] + area_b[None] - shared + 1e-9)


class OnnxDetector:
    """A one-class detector in an ONNX file: input `images`, output `output0` (n, 5, anchors)."""

    def __init__(self, model: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self.image_size = int(self._session.get_inputs()[0].shape[2])

    def raw(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3, size, size) RGB 0..1 -> (n, 5, anchors): cx, cy, w, h in input pixels, score."""
        return np.asarray(self._session.run(["output0"], {"images": batch})[0])

    def __call__(
        self, picture: NDArray[np.uint8], *, confidence: float = 0.01, iou: float = 0.5
    ) -> Detections:
        """Boxes in `picture` (h, w, 3) RGB, in its own pixels."""
        planes, fitted = letterbox(picture, self.image_size)
        rows = self.raw(planes[None])[0].T
        rows = rows[rows[:, 4] >= confidence]
        centre, half = rows[:, :2], rows[:, 2:4] / 2
        xyxy = np.concatenate([centre - half, centre + half], axis=1)
        keep = suppressed(xyxy, rows[:, 4], iou)
        pad = np.array([fitted.pad_x, fitted.pad_y] * 2, np.float32)
        limit = np.array([fitted.width, fitted.height] * 2, np.float32)
        boxes = np.clip((xyxy[keep] - pad) / np.float32(fitted.scale), 0, limit)
        return Detections(boxes, rows[keep, 4], np.zeros(len(keep), np.int64))
