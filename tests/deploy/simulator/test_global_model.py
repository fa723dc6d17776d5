"""The shipped global model: whole, small, without private traces, and good enough to be useful."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from deploy.simulator.labelled import Labelled
from deploy.simulator.measure import measure
from deploy.simulator.onnx_detector import OnnxDetector
from deploy.simulator.publish_global import IMAGE_SIZE, OPSET, sha256
from deploy.simulator.scenes import render_scene

FOLDER = Path(__file__).parents[3] / "triton_models" / "global"
MAX_BYTES = 10_000_000
MAP50_FLOOR = 0.5
CONFIDENT_PRECISION_FLOOR = 0.6
FRESH_SEED = 987_654_321  # of no training and no measurement


@pytest.fixture(scope="module")
def detector() -> OnnxDetector:
    return OnnxDetector(FOLDER / "model.onnx")


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.random((3, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)


def test_model_json_describes_the_files_beside_it():
    card = json.loads((FOLDER / "model.json").read_text())
    assert card["name"] == "global"
    assert card["classes"] == ["animal"]
    assert (card["task"], card["image_size"]) == ("detect", IMAGE_SIZE)
    assert card["onnx_sha256"] == sha256(FOLDER / "model.onnx")
    assert card["weights_sha256"] == sha256(FOLDER / "model.pt")
    assert card["trained_on"]["images"] > 0
    assert 0 < card["measured"]["map50_95"] < card["measured"]["map50"] < 1


def test_what_ships_is_small():
    shipped = [FOLDER / name for name in ("model.pt", "model.onnx", "model.json")]
    assert sum(file.stat().st_size for file in shipped) <= MAX_BYTES


@pytest.mark.parametrize("name", ["model.pt", "model.onnx", "model.json"])
def test_no_path_of_the_training_machine_is_shipped(name):
    content = (FOLDER / name).read_bytes()
    for trace in (b"/tmp/", b"/work/", b"/root/", b"/home/", b".venv"):
        assert trace not in content


def test_the_graph_has_one_free_axis_the_batch(detector):
    graph = onnx.load(str(FOLDER / "model.onnx"))
    assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [OPSET]
    (entry,), (answer,) = graph.graph.input, graph.graph.output
    assert (entry.name, answer.name) == ("images", "output0")
    shape = entry.type.tensor_type.shape.dim
    assert shape[0].dim_param
    assert [side.dim_value for side in shape[1:]] == [3, IMAGE_SIZE, IMAGE_SIZE]
    assert "NonMaxSuppression" not in {node.op_type for node in graph.graph.node}


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_is_answered_picture_by_picture(detector, batch, size):
    together = detector.raw(batch[:size])
    assert together.shape == (size, 5, 2100)  # (40*40 + 20*20 + 10*10) anchors
    assert 0 <= together[:, 4].min() <= together[:, 4].max() <= 1
    for i in range(size):
        assert np.allclose(together[i], detector.raw(batch[i : i + 1])[0], atol=1e-3)


def test_onnx_and_weights_agree(detector, batch):
    import torch
    from ultralytics import YOLO

    model = YOLO(FOLDER / "model.pt")
    assert model.names == {0: "animal"}
    scene = render_scene(np.random.default_rng(3)).picture
    batch = batch.copy()
    batch[0, :, : scene.shape[0], : scene.shape[1]] = scene.transpose(2, 0, 1) / 255
    with torch.no_grad():
        answer = model.model.float().eval()(torch.from_numpy(batch))
    expected = (answer[0] if isinstance(answer, tuple | list) else answer).numpy()
    found = detector.raw(batch)
    assert np.abs(found[:, 4] - expected[:, 4]).max() < 1e-3
    assert np.abs(found[:, :4] - expected[:, :4]).max() < 0.1  # pixels


def test_it_finds_the_animals_of_scenes_it_never_saw(detector):
    fresh = [render_scene(np.random.default_rng((FRESH_SEED, i))) for i in range(40)]
    figures = measure(detector, (Labelled(scene.picture, scene.xyxy) for scene in fresh))
    assert figures.map50 > MAP50_FLOOR
    assert figures.confident_precision > CONFIDENT_PRECISION_FLOOR
