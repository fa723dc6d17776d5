"""Our letterbox and suppression give the numbers of ultralytics."""

from __future__ import annotations

import numpy as np
import pytest

from shared.vision.boxes import Letterbox
from shared.vision.geometry import (
    fit,
    iou_matrix,
    letterbox,
    non_max_suppression,
    to_batch,
    to_source,
)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (640, 480, 320),
        (384, 384, 320),
        (101, 333, 320),
        (1920, 1080, 640),
        (90, 60, 256),
        (2000, 3, 320),
    ],
)
def test_letterbox_is_the_one_of_ultralytics(width, height, size):
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.ops import scale_boxes

    image = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    canvas, box = letterbox(image, size)
    np.testing.assert_array_equal(canvas, LetterBox(size, auto=False)(image=image))
    assert canvas.shape == (size, size, 3)

    import torch

    # ultralytics maps the same point back to the same place
    theirs = scale_boxes((size, size), torch.tensor([[60.0, 70.0, 90.0, 130.0]]), (height, width))
    ours = to_source(np.array([[60, 70, 90, 130]], np.float32), box)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5)


def test_a_batch_is_planes_of_0_to_1():
    canvases = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    batch = to_batch(list(canvases))
    assert batch.shape == (3, 3, 64, 64)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_array_equal(batch, canvases.transpose(0, 3, 1, 2) / np.float32(255))
    np.testing.assert_array_equal(to_batch(canvases), batch)


def _random_output(seed: int, classes: int, anchors: int, clusters: int) -> np.ndarray:
    """Clusters of jittered boxes, as a detector emits them around an object."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(20, 300, (clusters, 2))
    sizes = rng.uniform(15, 80, (clusters, 2))
    which = rng.integers(0, clusters, anchors)
    output = np.empty((4 + classes, anchors), dtype=np.float32)
    output[:2] = (centres[which] + rng.normal(0, 6, (anchors, 2))).T
    output[2:4] = (sizes[which] * rng.uniform(0.8, 1.2, (anchors, 2))).T
    output[4:] = rng.uniform(0, 1, (classes, anchors)) ** 3
    return output


@pytest.mark.parametrize(
    ("classes", "anchors", "confidence", "iou"),
    [(1, 400, 0.25, 0.5), (1, 2100, 0.01, 0.7), (3, 300, 0.25, 0.45), (80, 2100, 0.5, 0.7)],
)
def test_suppression_keeps_what_ultralytics_keeps(classes, anchors, confidence, iou):
    import torch
    from ultralytics.utils.nms import non_max_suppression as reference
    from ultralytics.utils.ops import scale_boxes

    output = _random_output(classes + anchors, classes, anchors, clusters=15)
    box, *_ = fit(500, 375, 320)
    ours = non_max_suppression(output, box, confidence, iou)
    theirs = reference(torch.from_numpy(output)[None], confidence, iou, nc=classes)[0]
    boxes = scale_boxes((320, 320), theirs[:, :4].clone(), (375, 500)).numpy()
    solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    assert len(ours) == solid.sum() > 5
    np.testing.assert_allclose(ours.xyxy, boxes[solid], atol=1e-2)
    np.testing.assert_allclose(ours.confidence, theirs[:, 4].numpy()[solid], rtol=1e-6)
    np.testing.assert_array_equal(ours.class_id, theirs[:, 5].numpy()[solid].astype(int))


def test_suppression_drops_nan_and_empty_boxes_and_clips():
    box = Letterbox(1.0, 0.0, 0.0, 100, 80)
    rows = [
        (50, 40, 20, 10, 0.9),
        (np.nan, 40, 20, 10, 0.8),
        (50, 40, 20, 10, np.nan),
        (95, 75, 20, 20, 0.7),  # leaves the image
        (150, 40, 20, 20, 0.6),  # outside of it
        (20, 20, 0, 10, 0.95),  # no width
        (20, np.inf, 10, 10, 0.95),
    ]
    found = non_max_suppression(np.array(rows, np.float32).T, box, 0.25, 0.5)
    np.testing.assert_allclose(found.xyxy, [[40, 35, 60, 45], [85, 65, 100, 80]])
    np.testing.assert_allclose(found.confidence, [0.9, 0.7])


def test_nothing_found_is_an_empty_answer():
    found = non_max_suppression(
        np.zeros((6, 50), np.float32), Letterbox(1, 0, 0, 10, 10), 0.25, 0.5
    )
    assert len(found) == 0
    assert found.xyxy.shape == (0, 4)


def test_classes_do_not_suppress_each_other_and_the_limit_holds():
    rows = [(50, 50, 20, 20, 0.9, 0.1), (50, 50, 20, 20, 0.1, 0.8), (51, 50, 20, 20, 0.7, 0.0)]
    box = Letterbox(1.0, 0.0, 0.0, 100, 100)
    found = non_max_suppression(np.array(rows, np.float32).T, box, 0.25, 0.5)
    assert found.class_id.tolist() == [0, 1]
    crowd = _random_output(3, 1, 2000, clusters=200)
    limited = non_max_suppression(crowd, box, 0.01, 0.9, max_detections=7)
    assert len(limited) <= 7


def test_iou_matrix():
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    b = np.array([[5, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(iou_matrix(a, b), [[1 / 3, 1, 0], [0, 0, 0]], rtol=1e-6)
