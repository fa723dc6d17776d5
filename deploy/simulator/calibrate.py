"""Make a confidence of 0.5 mean: right in half of the cases (Platt scaling, folded into the weights).

Trained as it is, the detector is too modest: of its boxes of confidence 0.3 to 0.4 about half are
right. Someone who accepts boxes of 0.5 and more as labels would lose most of them. Platt, J. (1999),
"Probabilistic outputs for support vector machines": p = 1 / (1 + exp(-(slope * z + offset))).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.simulator.labelled import Labelled
from deploy.simulator.measure import matched
from deploy.simulator.onnx_detector import OnnxDetector

ENOUGH = 100  # right boxes, and wrong ones, below which nothing is fitted
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Calibration:
    """New logit = slope * logit + offset; (1, 0) changes nothing."""

    slope: float = 1.0
    offset: float = 0.0


def calibration_on(detector: OnnxDetector, pictures: Iterable[Labelled]) -> Calibration:
    """The calibration for which confidences become shares of right boxes (IoU >= 0.5)."""
    confidence, right = [np.zeros(0)], [np.zeros(0, bool)]
    for labelled in pictures:
        found = detector(labelled.picture)
        confidence.append(found.confidence)
        right.append(matched(found, labelled.xyxy)[:, 0])
    return fitted(np.concatenate(confidence), np.concatenate(right))


def fitted(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Logistic regression of `right` on the logits, by Newton's method."""
    if min(right.sum(), (~right).sum()) < ENOUGH:
        return Calibration()
    p = np.clip(confidence.astype(np.float64), 1e-6, 1 - 1e-6)
    inputs = np.stack([np.log(p / (1 - p)), np.ones_like(p)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(NEWTON_STEPS):
        guess = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (right - guess)
        curvature = (inputs * (guess * (1 - guess))[:, None]).T @ inputs
        weights = weights + np.linalg.solve(curvature + 1e-9 * np.eye(2), slope)
    return Calibration(float(weights[0]), float(weights[1]))


def fold(network: Any, calibration: Calibration) -> None:
    """Change the last layers of the class branches so that `network` answers calibrated scores."""
    for branch in network.model[-1].cv3:
        last = branch[-1]
        last.weight.data = last.weight.data * calibration.slope
        last.bias.data = last.bias.data * calibration.slope + calibration.offset
