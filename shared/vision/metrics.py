"""Average precision over frames: how well boxes were found, as `yolo val` and COCO count it.

The demo uses it to compare the global and the user's model on the same frames. Matching is COCO's:
best prediction first, each takes the unclaimed true box of its class with the largest overlap, at
each of the ten IoU thresholds 0.50:0.05:0.95. The area under the precision envelope is taken at
101 recall points as in ultralytics (`utils/metrics.py` compute_ap, trapezoids between the points),
so that our figures stand beside those of its training log; the tests hold us to its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.vision.boxes import Detections
from shared.vision.geometry import iou_matrix

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Truth:
    """The true boxes of one frame, in pixels; a frame known to be empty has none."""

    xyxy: NDArray[np.floating]  # (n, 4) left, top, right, bottom
    class_id: NDArray[np.integer]  # (n,)


@dataclass(frozen=True)
class Score:
    """Average precision 0..1; the means are over the classes that occur in the truth."""

    map50: float  # at IoU 0.50
    map50_95: float  # mean over the ten thresholds
    truths: int  # true boxes; with none of them both means are 0
    predictions: int
    ap50: dict[int, float] = field(default_factory=dict)  # by class id
    ap50_95: dict[int, float] = field(default_factory=dict)


def mean_average_precision(
    truth: Sequence[Truth], predictions: Sequence[Detections], *, class_agnostic: bool = False
) -> Score:
    """The score of `predictions` against `truth`, frame by frame in the same order.

    Give predictions made at a low confidence (0.001), for the curve needs its tail. With
    `class_agnostic` all classes count as one: for models that name the same animals differently.
    """
    matches: list[NDArray[np.bool_]] = []
    for true, found in zip(truth, predictions, strict=True):
        same = iou_matrix(true.xyxy.reshape(-1, 4), found.xyxy.reshape(-1, 4))
        if not class_agnostic:
            same = same * (true.class_id[:, None] == found.class_id[None, :])
        matches.append(matched(same, found.confidence))
    true_class = _joined([frame.class_id for frame in truth], class_agnostic)
    found_class = _joined([frame.class_id for frame in predictions], class_agnostic)
    confidence = np.concatenate([np.empty(0), *[frame.confidence for frame in predictions]])
    correct = np.concatenate([np.empty((0, len(IOU_THRESHOLDS)), bool), *matches])
    order = np.argsort(-confidence, kind="stable")
    correct, found_class = correct[order], found_class[order]

    ap50: dict[int, float] = {}
    ap50_95: dict[int, float] = {}
    for class_id in np.unique(true_class):
        count = int((true_class == class_id).sum())
        per_threshold = [
            average_precision(column, count) for column in correct[found_class == class_id].T
        ]
        ap50[int(class_id)] = per_threshold[0]
        ap50_95[int(class_id)] = float(np.mean(per_threshold))
    return Score(
        map50=float(np.mean(list(ap50.values()))) if ap50 else 0.0,
        map50_95=float(np.mean(list(ap50_95.values()))) if ap50_95 else 0.0,
        truths=len(true_class),
        predictions=len(found_class),
        ap50=ap50,
        ap50_95=ap50_95,
    )


def average_precision(correct: NDArray[np.bool_], truths: int) -> float:
    """Area under the precision-recall envelope of predictions sorted best first, 0..1."""
    if not len(correct) or not truths:
        return 0.0
    true_positives = correct.cumsum()
    recall = true_positives / truths
    precision = true_positives / np.arange(1, len(correct) + 1)
    recall = np.concatenate([[0.0], recall, [recall[-1], 1.0]])
    precision = np.concatenate([[1.0], precision, [0.0, 0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.trapezoid(np.interp(RECALL_POINTS, recall, envelope), RECALL_POINTS))


def matched(iou: NDArray[np.floating], confidence: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which predictions (columns of `iou`) are right at which threshold: (predictions, 10)."""
    truths, found = iou.shape
    thresholds = np.arange(len(IOU_THRESHOLDS))
    correct = np.zeros((found, len(IOU_THRESHOLDS)), dtype=bool)
    claimed = np.zeros((truths, len(IOU_THRESHOLDS)), dtype=bool)
    if not truths:
        return correct
    for index in np.argsort(-confidence, kind="stable"):
        if iou[:, index].max() < IOU_THRESHOLDS[0]:
            continue
        available = np.where(claimed, 0, iou[:, index, None])
        best = available.argmax(axis=0)
        correct[index] = available[best, thresholds] >= IOU_THRESHOLDS
        claimed[best, thresholds] |= correct[index]
    return correct


def _joined(parts: list[NDArray[np.integer]], as_one: bool) -> NDArray[np.int64]:
    joined = np.concatenate([np.empty(0, np.int64), *parts])
    return np.zeros_like(joined) if as_one else joined
