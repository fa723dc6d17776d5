"""Figures for a detector on labelled pictures: average precision, and how far to trust its boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from deploy.simulator.labelled import Labelled
from deploy.simulator.onnx_detector import OnnxDetector, overlap
from shared.vision.boxes import Detections

CONFIDENT = 0.5  # boxes at or above it may be taken as labels
THRESHOLDS = np.arange(0.5, 0.96, 0.05)  # intersection over union


@dataclass(frozen=True)
class Figures:
    """What was measured on one set of pictures."""

    images: int
    boxes: int
    map50: float
    map50_95: float
    confident_recall: float  # share of true boxes met (IoU >= 0.5) by a box of confidence >= 0.5
    confident_precision: float  # share of those boxes that meet a true one
    false_boxes_per_image: float  # confident ones that meet none

    def rounded(self) -> dict[str, float]:
        """For JSON: four digits are more than these sets can carry."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measure(
    detector: Callable[..., Detections] | OnnxDetector, pictures: Iterable[Labelled]
) -> Figures:
    """Run `detector` over all pictures, one at a time, and count."""
    confidences, hits, boxes, images = [], [], 0, 0
    for labelled in pictures:
        found = detector(labelled.picture)
        confidences.append(found.confidence)
        hits.append(matched(found, labelled.xyxy))
        boxes, images = boxes + len(labelled.xyxy), images + 1
    confidence = np.concatenate([np.zeros(0), *confidences])
    hit = np.concatenate([np.zeros((0, len(THRESHOLDS)), bool), *hits])
    precision = [_average_precision(confidence, hit[:, t], boxes) for t in range(len(THRESHOLDS))]
    sure = confidence >= CONFIDENT
    right = int(hit[sure, 0].sum())
    return Figures(
        images, boxes, precision[0], float(np.mean(precision)),
        right / max(boxes, 1), right / max(int(sure.sum()), 1), (int(sure.sum()) - right) / max(images, 1),
    )  # fmt: skip


def matched(found: Detections, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, thresholds): whether each box, best first, takes a true box that none before it took."""
    hit = np.zeros((len(found), len(THRESHOLDS)), bool)
    if not len(truth):
        return hit
    iou = overlap(found.xyxy, truth)
    for t, least in enumerate(THRESHOLDS):
        free = np.ones(len(truth), bool)
        for i in range(len(found)):
            best = int(np.argmax(np.where(free, iou[i], -1)))
            if free[best] and iou[i, best] >= least:
                hit[i, t], free[best] = True, False
    return hit


def _average_precision(
    confidence: NDArray[np.float64], hit: NDArray[np.bool_], boxes: int
) -> float:
    """Area under the precision envelope, read at 101 recalls (the COCO definition)."""
    if not boxes or not len(hit):
        return 0.0
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(hit[order])
    recall, precision = right / boxes, right / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))
