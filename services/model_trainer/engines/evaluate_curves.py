"""Beyond one number: precision and recall by confidence, confusions, and every class and video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.model_trainer.engines.evaluate_matches import (
    JudgedFrame,
    Matches,
    average_precisions,
    match,
    mean_ap,
)
from shared.vision.geometry import iou_matrix

CONFIDENCE = 0.25  # what an analysis drops by default; confusions are counted above it
IOU = 0.5
BACKGROUND = "background"


@dataclass(frozen=True)
class Curve:
    """Precision and recall at IoU 0.5 of one class, from the most confident prediction down."""

    confidence: NDArray[np.float32]  # (n,) falling
    precision: NDArray[np.float64]  # (n,)
    recall: NDArray[np.float64]  # (n,)
    truths: int

    @property
    def best(self) -> tuple[float, float, float]:
        """Confidence, precision and recall where F1 is highest; zeros without a prediction."""
        if not len(self.confidence):
            return 0.0, 0.0, 0.0
        both = self.precision + self.recall
        f1 = np.divide(
            2 * self.precision * self.recall, both, out=np.zeros_like(both), where=both > 0
        )
        at = int(f1.argmax())
        return float(self.confidence[at]), float(self.precision[at]), float(self.recall[at])


def curves(matches: Matches, classes: Sequence[str]) -> dict[str, Curve]:
    """A curve of every class with true boxes."""
    found = {}
    for class_id, name in enumerate(classes):
        truths = int(matches.truths[:, class_id].sum())
        if not truths:
            continue
        rows = matches.class_id == class_id
        true = matches.correct[rows, 0].cumsum()
        said = np.arange(1, len(true) + 1)
        found[name] = Curve(matches.confidence[rows], true / said, true / truths, truths)
    return found


def confusion(frames: Sequence[JudgedFrame], classes: int) -> NDArray[np.int64]:
    """Counts (classes + 1, classes + 1): what was said (rows) of what is there (columns).

    The last row are true boxes that nothing was said of, the last column predictions of nothing.
    A prediction above `CONFIDENCE` belongs to the true box that it overlaps most, by `IOU` at
    least, and each box to one prediction, the largest overlap first.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for frame in frames:
        sure = frame.found.confidence > CONFIDENCE
        said, boxes = frame.found.class_id[sure], frame.found.xyxy[sure]
        truth = frame.truth.class_id
        overlap = iou_matrix(frame.truth.xyxy.reshape(-1, 4), boxes.reshape(-1, 4)).astype(float)
        open_truths, open_said = set(range(len(truth))), set(range(len(said)))
        while overlap.size and overlap.max() >= IOU:
            i, j = np.unravel_index(int(overlap.argmax()), overlap.shape)
            counts[said[j], truth[i]] += 1
            overlap[i, :], overlap[:, j] = 0, 0
            open_truths.discard(int(i))
            open_said.discard(int(j))
        for i in open_truths:
            counts[classes, truth[i]] += 1
        for j in open_said:
            counts[said[j], classes] += 1
    return counts


def details(
    frames: Sequence[JudgedFrame], classes: Sequence[str], video_of: Mapping[str, str]
) -> dict[str, Any]:
    """Figures by class and by video, and the confusions; `video_of` has the video of each frame."""
    matches = match(frames, len(classes))
    once = np.ones((1, len(frames)), np.int64)
    precisions = average_precisions(matches, once)[0]
    shapes = curves(matches, classes)
    by_class = {}
    for class_id, name in enumerate(classes):
        if name not in shapes:
            continue
        confidence, precision, recall = shapes[name].best
        by_class[name] = {
            "boxes": shapes[name].truths,
            "map50": float(precisions[class_id, 0]),
            "map50_95": float(precisions[class_id].mean()),
            "precision": precision,
            "recall": recall,
            "best_confidence": confidence,
        }
    by_video = {}
    for video in dict.fromkeys(video_of[frame.name] for frame in frames):
        inside = np.array([[int(video_of[frame.name] == video) for frame in frames]])
        map50, map50_95 = mean_ap(average_precisions(matches, inside))
        by_video[video or "the video"] = {
            "frames": int(inside.sum()),
            "boxes": int((inside @ matches.truths).sum()),
            "map50": float(map50[0]),
            "map50_95": float(map50_95[0]),
        }
    return {
        "classes": by_class,
        "videos": by_video,
        "confusion": {
            "names": [*classes, BACKGROUND],
            "counts": confusion(frames, len(classes)).tolist(),
            "confidence": CONFIDENCE,
            "iou": IOU,
        },
    }
