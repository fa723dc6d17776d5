from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from services.model_trainer.engines.dataset import build_dataset
from services.model_trainer.engines.evaluate import evaluate
from services.model_trainer.engines.evaluate_curves import confusion, curves
from services.model_trainer.engines.evaluate_matches import (
    JudgedFrame,
    average_precisions,
    match,
    mean_ap,
)
from services.model_trainer.engines.evaluate_report import Rival, judge
from shared.events.learning_settings import PromotionSettings
from shared.vision.boxes import Detections
from shared.vision.metrics import Truth
from tests.services.model_trainer.squares import FAST, render


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    labels = render(folder / "frames", [[0], [0, 1], [], [0, 1]] * 6, step_s=3.0)
    return build_dataset(folder / "frames", labels, FAST, folder / "work")


def test_our_count_is_that_of_the_validator_on_the_same_predictions(data, tiny_weights):
    found = evaluate(tiny_weights, data, imgsz=64, device="cpu")
    assert [frame.name for frame in found.judged] == list(data.val)
    assert sum(len(frame.found) for frame in found.judged) > 10
    precisions = average_precisions(match(found.judged, 2), np.ones((1, len(data.val)), np.int64))
    map50, map50_95 = mean_ap(precisions)
    assert map50[0] == pytest.approx(found.map50, abs=0.002)
    assert map50_95[0] == pytest.approx(found.map50_95, abs=0.002)


def test_all_models_are_judged_compared_and_drawn(data, tiny_weights, base_weights, tmp_path):
    told = judge(
        "The new model",
        tiny_weights,
        data,
        imgsz=64,
        world=Rival("global", base_weights),
        current=Rival("task-a/1", tiny_weights, data.classes, 64),
        promotion=PromotionSettings(),
        history=[{"round": 0, "frames": 4, "map50": 0.1, "map50_95": 0.05}],
        out=tmp_path / "evaluation",
    )
    metrics = json.loads(json.dumps(told.metrics))
    assert metrics["comparison"]["against"] == "task-a/1"
    assert metrics["comparison"]["difference"] == 0
    assert metrics["comparison"]["better"] is False
    assert metrics["comparison"]["global"]["against"] == "global"
    assert metrics["leakage"] == data.leakage
    assert [each["round"] for each in metrics["learning_curve"]] == [0, 1]
    assert sum(each["boxes"] for each in metrics["classes"].values()) == metrics["boxes"]
    assert "against" in told.message
    files = {file.name for file in (tmp_path / "evaluation").iterdir() if file.is_file()}
    pictures = {"precision_recall.png", "confusion.png", "frames.png", "learning_curve.png"}
    assert files == {*pictures, "predictions.json"}
    for name in pictures:
        assert cv2.imread(str(tmp_path / "evaluation" / name)).std() > 5
    kept = json.loads((tmp_path / "evaluation" / "predictions.json").read_text())
    assert [frame["name"] for frame in kept["frames"]] == list(data.val)
    assert set(kept["frames"][0]["models"]) == {"The new model", "global", "task-a/1"}


def frame(truth, found):
    """Truth of (class, box), found of (class, box, confidence)."""
    return JudgedFrame(
        "a.jpg",
        Truth(
            np.array([b for _, b in truth], float).reshape(-1, 4),
            np.array([c for c, _ in truth], int),
        ),
        Detections(
            np.array([b for _, b, _ in found], np.float32).reshape(-1, 4),
            np.array([s for _, _, s in found], np.float32),
            np.array([c for c, _, _ in found], np.int64),
        ),
    )


def test_confusions_are_counted_by_hand():
    a, b, far = [0, 0, 10, 10], [20, 0, 30, 10], [60, 60, 70, 70]
    frames = [
        frame([(0, a), (1, b)], [(0, a, 0.9), (0, b, 0.8), (1, far, 0.7), (1, a, 0.1)]),
        frame([(1, far)], []),
    ]
    assert confusion(frames, 2).tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_a_curve_knows_its_best_point():
    a, b, far = [0, 0, 10, 10], [20, 0, 30, 10], [60, 60, 70, 70]
    frames = [frame([(0, a), (0, b)], [(0, a, 0.9), (0, far, 0.5), (0, b, 0.4)])]
    curve = curves(match(frames, 1), ["fly"])["fly"]
    assert curve.recall.tolist() == [0.5, 0.5, 1.0]
    assert curve.best == pytest.approx((0.4, 2 / 3, 1.0))
