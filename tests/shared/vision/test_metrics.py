"""Average precision: textbook cases by hand, random ones against ultralytics."""

from __future__ import annotations

import numpy as np
import pytest

from shared.vision.boxes import Detections
from shared.vision.metrics import Truth, mean_average_precision


def _found(boxes, confidence, classes) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(confidence, np.float32),
        np.array(classes, np.int64),
    )


def _true(boxes, classes) -> Truth:
    return Truth(np.array(boxes, np.float32).reshape(-1, 4), np.array(classes, np.int64))


def _random_frames(seed: int, frames: int, classes: int):
    """True boxes; jittered, missed, doubled and invented predictions."""
    rng = np.random.default_rng(seed)
    truth, predictions = [], []
    for _ in range(frames):
        count = rng.integers(0, 6)
        corner = rng.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 80, (count, 2))], axis=1)
        labels = rng.integers(0, classes, count)
        truth.append(_true(boxes, labels))
        kept = rng.random(count) > 0.2
        doubled = rng.random(count) > 0.7
        seen = np.concatenate([boxes[kept], boxes[doubled]])
        seen = seen + rng.normal(0, 5, seen.shape)
        false = rng.uniform(0, 100, (rng.integers(0, 3), 2))
        seen = np.concatenate([seen, np.concatenate([false, false + 40], axis=1)])
        named = np.concatenate(
            [labels[kept], labels[doubled], rng.integers(0, classes, len(false))]
        )
        predictions.append(_found(seen, rng.random(len(seen)), named))
    return truth, predictions


def _by_ultralytics(truth, predictions, classes):
    import torch
    from ultralytics.engine.validator import BaseValidator
    from ultralytics.utils.metrics import ap_per_class, box_iou

    class Thresholds:
        iouv = torch.linspace(0.5, 0.95, 10)

    correct, confidence, found, wanted = [], [], [], []
    for true, seen in zip(truth, predictions, strict=True):
        order = np.argsort(-seen.confidence)
        iou = box_iou(torch.from_numpy(true.xyxy), torch.from_numpy(seen.xyxy[order]))
        correct.append(
            BaseValidator.match_predictions(
                Thresholds(),
                torch.from_numpy(seen.class_id[order]),
                torch.from_numpy(true.class_id),
                iou,
            ).numpy()
        )
        confidence.append(seen.confidence[order])
        found.append(seen.class_id[order])
        wanted.append(true.class_id)
    *_, ap, classes_seen, _, _, _, _, _ = ap_per_class(
        *[np.concatenate(part) for part in (correct, confidence, found, wanted)]
    )
    return ap, classes_seen


@pytest.mark.parametrize(("seed", "classes"), [(1, 1), (2, 3), (3, 5)])
def test_random_frames_score_as_in_ultralytics(seed, classes):
    truth, predictions = _random_frames(seed, frames=60, classes=classes)
    ours = mean_average_precision(truth, predictions)
    ap, seen = _by_ultralytics(truth, predictions, classes)
    assert 0.05 < ours.map50_95 < ours.map50 < 0.99
    assert ours.map50 == pytest.approx(ap[:, 0].mean(), abs=1e-6)
    assert ours.map50_95 == pytest.approx(ap.mean(), abs=1e-6)
    assert list(ours.ap50) == seen.tolist()
    assert list(ours.ap50_95.values()) == pytest.approx(ap.mean(axis=1).tolist(), abs=1e-6)


def test_perfect_is_near_one_and_nothing_is_zero():
    truth, _ = _random_frames(7, frames=20, classes=2)
    perfect = [_found(t.xyxy, np.linspace(1, 0.5, len(t.xyxy)), t.class_id) for t in truth]
    assert mean_average_precision(truth, perfect).map50_95 == pytest.approx(0.995, abs=0.006)
    nothing = [_found([], [], []) for _ in truth]
    score = mean_average_precision(truth, nothing)
    assert (score.map50, score.map50_95, score.predictions) == (0.0, 0.0, 0)


def test_frames_without_truth_count_their_false_alarms_and_no_truth_is_zero():
    box = [10, 10, 50, 50]
    one = [_true([box], [0])]
    right = [_found([box], [0.5], [0])]
    alone = mean_average_precision(one, right)
    alarm = mean_average_precision([*one, _true([], [])], [*right, _found([box], [0.9], [0])])
    assert alarm.map50 < alone.map50
    empty = mean_average_precision([_true([], [])], [_found([box], [0.9], [0])])
    assert (empty.truths, empty.map50) == (0, 0.0)


def test_class_agnostic_forgives_names_only():
    box = [10, 10, 50, 50]
    truth, found = [_true([box], [0])], [_found([box], [0.9], [4])]
    assert mean_average_precision(truth, found).map50 == 0.0
    assert mean_average_precision(truth, found, class_agnostic=True).map50 > 0.99


def test_frames_must_pair_up():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        mean_average_precision([_true([], [])], [])
