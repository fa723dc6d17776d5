"""The measured figures, against cases small enough to count by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.simulator.__main__ import main
from deploy.simulator.arena import render_arena
from deploy.simulator.labelled import Labelled
from deploy.simulator.measure import measure
from deploy.simulator.onnx_detector import letterbox, overlap, suppressed
from shared.vision.boxes import Detections

PICTURE = np.zeros((100, 100, 3), np.uint8)
TRUE = np.array([[10, 10, 30, 30], [50, 50, 90, 90]], float)


def answers(*found: tuple[list[float], float]):
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    sure = np.array([confidence for _, confidence in found], np.float32)
    return lambda picture: Detections(boxes, sure, np.zeros(len(found), np.int64))


def test_perfect_boxes_score_one():
    detector = answers((TRUE[0].tolist(), 0.9), (TRUE[1].tolist(), 0.8))
    figures = measure(detector, [Labelled(PICTURE, TRUE)])
    assert figures.map50 == pytest.approx(1)
    assert figures.map50_95 == pytest.approx(1)
    assert (figures.confident_recall, figures.confident_precision) == (1, 1)


def test_one_of_two_found_and_one_invented():
    detector = answers((TRUE[0].tolist(), 0.9), ([0, 60, 20, 80], 0.7))
    figures = measure(detector, [Labelled(PICTURE, TRUE)])
    assert figures.map50 == pytest.approx(51 / 101)  # recalls 0, 0.01 .. 0.5
    assert figures.confident_recall == 0.5
    assert figures.confident_precision == 0.5
    assert figures.false_boxes_per_image == 1


def test_a_second_box_on_the_same_animal_is_false():
    detector = answers((TRUE[0].tolist(), 0.9), (TRUE[0].tolist(), 0.8))
    assert measure(detector, [Labelled(PICTURE, TRUE[:1])]).false_boxes_per_image == 1


def test_a_loose_box_counts_only_for_low_thresholds():
    detector = answers(([10, 10, 30, 36], 0.9))  # IoU 400 / 520 = 0.77
    figures = measure(detector, [Labelled(PICTURE, TRUE[:1])])
    assert figures.map50 == pytest.approx(1)
    assert figures.map50_95 == pytest.approx(0.6)  # 0.50 .. 0.75


def test_pictures_without_animals_only_count_false_boxes():
    figures = measure(answers(([0, 0, 9, 9], 0.6)), [Labelled(PICTURE, np.zeros((0, 4)))] * 2)
    assert figures.false_boxes_per_image == 1
    assert figures.map50 == 0


def test_letterbox_keeps_proportions_and_pads_with_grey():
    planes, fitted = letterbox(np.full((240, 640, 3), 255, np.uint8), 320)
    assert planes.shape == (3, 320, 320)
    assert (fitted.scale, fitted.pad_x, fitted.pad_y) == (0.5, 0, 100)
    assert planes[:, :100].max() == pytest.approx(114 / 255)
    assert planes[:, 100:220].min() == 1


def test_suppression_keeps_the_best_of_overlapping_boxes():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], np.float32)
    assert suppressed(boxes, np.array([0.5, 0.9, 0.4], np.float32), 0.5).tolist() == [1, 2]
    assert overlap(boxes[:1], boxes)[0].tolist() == pytest.approx([1, 90 / 110, 0])


SHIPPED = Path(__file__).parents[3] / "triton_models" / "global" / "model.onnx"
MEDIA = Path(__file__).parents[4] / "shared" / "data" / "vision"


def figures_of(capsys, *arguments: object) -> dict[str, float]:
    assert main(["measure", str(SHIPPED), *map(str, arguments)]) == 0
    return {
        name: float(value)
        for name, value in (line.split() for line in capsys.readouterr().out.splitlines())
    }


def test_a_video_is_measured_against_its_table_of_boxes(tmp_path, capsys):
    video, truth = tmp_path / "a.mp4", tmp_path / "a.csv"
    render_arena(video, truth, seconds=1, fps=10, width=320, height=240)
    figures = figures_of(capsys, video, truth, "--every", 5)
    assert figures["images"] == 2
    frames = [line.split(",")[0] for line in truth.read_text().splitlines()]
    assert figures["boxes"] == sum(frame in {"0", "5"} for frame in frames)


@pytest.mark.skipif(not MEDIA.is_dir(), reason="no real media beside the checkout")
def test_the_shipped_model_finds_a_real_mouse_without_having_seen_one(capsys):
    folder = MEDIA / "dlc_openfield"
    figures = figures_of(capsys, folder / "frames", folder / "labels_yolo")
    assert figures["images"] == 58
    assert figures["map50"] > 0.8
    assert figures["confident_precision"] > 0.9
