"""Calibration: confidences become shares of right boxes."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.simulator.calibrate import Calibration, fitted


def test_a_modest_detector_is_made_to_mean_what_it_says():
    rng = np.random.default_rng(1)
    logits = rng.normal(-1, 2, 20_000)
    chance = 1 / (1 + np.exp(-(1.6 * logits + 0.9)))
    found = fitted(1 / (1 + np.exp(-logits)), rng.random(20_000) < chance)
    assert found.slope == pytest.approx(1.6, abs=0.1)
    assert found.offset == pytest.approx(0.9, abs=0.1)


def test_too_few_boxes_change_nothing():
    assert fitted(np.full(50, 0.4), np.ones(50, bool)) == Calibration(1.0, 0.0)
    assert fitted(np.zeros(0), np.zeros(0, bool)) == Calibration(1.0, 0.0)
