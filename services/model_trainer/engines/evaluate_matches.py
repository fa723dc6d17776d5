"""What a model found in each frame that judges, and which of it is right; kept once, counted often.

The figures are sums over frames, so any choice of frames, with repetitions, can be scored from the
same matches without running the model again: that is what the bootstrap of `compare.py` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.vision.boxes import Detections
from shared.vision.geometry import iou_matrix
from shared.vision.metrics import IOU_THRESHOLDS, RECALL_POINTS, Truth, matched


@dataclass(frozen=True)
class JudgedFrame:
    """One frame: what is in it, and what a model says is in it; pixels of the source image."""

    name: str  # of the image in the data set
    truth: Truth
    found: Detections  # from a confidence of 0.001, so that curves have their tail


@dataclass(frozen=True)
class Matches:
    """All predictions of a model, best first, as right or wrong."""

    confidence: NDArray[np.float32]  # (n,)
    class_id: NDArray[np.int64]  # (n,)
    frame: NDArray[np.int64]  # (n,) position among the frames
    correct: NDArray[np.bool_]  # (n, 10) at IoU 0.50:0.05:0.95
    truths: NDArray[np.int64]  # (frames, classes) true boxes


def match(frames: Sequence[JudgedFrame], classes: int, *, class_agnostic: bool = False) -> Matches:
    """The matches of `frames`, for `classes` classes; `class_agnostic` counts all as one."""
    number = 1 if class_agnostic else classes
    truths = np.zeros((len(frames), number), np.int64)
    confidence, class_id, frame_of, correct = [], [], [], []
    for position, frame in enumerate(frames):
        true_class, found_class = frame.truth.class_id, frame.found.class_id
        if class_agnostic:
            true_class, found_class = np.zeros_like(true_class), np.zeros_like(found_class)
        np.add.at(truths[position], true_class, 1)
        same = iou_matrix(frame.truth.xyxy.reshape(-1, 4), frame.found.xyxy.reshape(-1, 4))
        same = same * (true_class[:, None] == found_class[None, :])
        confidence.append(frame.found.confidence)
        class_id.append(found_class)
        frame_of.append(np.full(len(frame.found), position))
        correct.append(matched(same, frame.found.confidence))
    joined = np.concatenate([np.empty(0, np.float32), *confidence])
    order = np.argsort(-joined, kind="stable")
    return Matches(
        confidence=joined[order],
        class_id=np.concatenate([np.empty(0, np.int64), *class_id])[order],
        frame=np.concatenate([np.empty(0, np.int64), *frame_of])[order].astype(np.int64),
        correct=np.concatenate([np.empty((0, len(IOU_THRESHOLDS)), bool), *correct])[order],
        truths=truths,
    )


def average_precisions(matches: Matches, times: NDArray[np.integer]) -> NDArray[np.float64]:
    """AP (draws, classes, 10 thresholds), 0..1, when frame f counts `times[d, f]` times in draw d.

    As `shared.vision.metrics.average_precision` counts it for frames repeated so often. NaN for a
    class without a true box among the frames of the draw.
    """
    draws, classes = len(times), matches.truths.shape[1]
    result = np.full((draws, classes, len(IOU_THRESHOLDS)), np.nan)
    wanted = times @ matches.truths  # (draws, classes)
    for class_id in range(classes):
        rows = np.flatnonzero(matches.class_id == class_id)
        right = matches.correct[rows]
        # behind the last right one nothing changes the area any more
        last = int(np.flatnonzero(right.any(axis=1)).max(initial=-1)) + 1
        right, weight = right[:last], times[:, matches.frame[rows[:last]]]
        said = weight.cumsum(axis=1)
        for draw in range(draws):
            if not wanted[draw, class_id]:
                continue
            true = (right * weight[draw][:, None]).cumsum(axis=0)
            for level in range(len(IOU_THRESHOLDS)):
                result[draw, class_id, level] = _area(
                    true[:, level], said[draw], int(wanted[draw, class_id])
                )
    return result


def mean_ap(precisions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """mAP50 and mAP50-95 (draws,), means over the classes that occur; 0 where none does."""
    occurs = ~np.isnan(precisions[:, :, 0])
    count = np.maximum(occurs.sum(axis=1), 1)
    filled = np.nan_to_num(precisions)
    return filled[:, :, 0].sum(axis=1) / count, filled.mean(axis=2).sum(axis=1) / count


def _area(true: NDArray[np.integer], said: NDArray[np.integer], truths: int) -> float:
    if not len(said):
        return 0.0
    # what stands before the first frame that was drawn is the curve's own beginning
    precision = np.divide(true, said, out=np.ones(len(said)), where=said > 0)
    recall = true / truths
    recall = np.concatenate([[0.0], recall, [recall[-1], 1.0]])
    precision = np.concatenate([[1.0], precision, [0.0, 0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.trapezoid(np.interp(RECALL_POINTS, recall, envelope), RECALL_POINTS))
