"""Suggestions for single frames: what a labeler starts from."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.model_inference.engines.still import predict_frames
from shared.errors import MediaRejected
from shared.events.settings import AnalysisSettings
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.repository import ModelRepository
from tests.conftest import TINY_SIZE


@pytest.fixture
def served(tmp_path: Path, other_onnx: Path) -> tuple:
    repository = ModelRepository(tmp_path / "repository", "python")
    spec = repository.write(
        "still", 1, other_onnx, classes=("cat", "dog", "fly"), task="detect", image_size=TINY_SIZE
    )
    server = OpenVinoServer(repository, "test")
    server.load("still")
    return spec, server


def frames_in(folder: Path, count: int) -> Path:
    folder.mkdir()
    listed = []
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 255, (60, 90, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:08d}.jpg"), image)
        listed.append({"frame": number, "file": f"{number:08d}.jpg", "time_s": number / 10})
    (folder / "frames.json").write_text(json.dumps({"frames": listed}))
    return folder


def test_every_frame_is_there_with_boxes_as_shares(tmp_path: Path, served) -> None:
    spec, server = served
    folder = frames_in(tmp_path / "frames", 19)
    out = tmp_path / "predictions.json"
    count = predict_frames(folder, spec, server, AnalysisSettings(batch_size=64), out)
    found = json.loads(out.read_text())
    assert found["classes"] == list(spec.classes)
    assert set(found["frames"]) == {str(n) for n in range(19)}
    boxes = [box for frame in found["frames"].values() for box in frame]
    assert len(boxes) == count
    assert all(0 <= v <= 1 for box in boxes for v in box[1:])


def test_a_damaged_frame_is_named(tmp_path: Path, served) -> None:
    spec, server = served
    folder = frames_in(tmp_path / "frames", 2)
    (folder / "00000001.jpg").write_bytes(b"no picture")
    with pytest.raises(MediaRejected, match=r"00000001\.jpg cannot be decoded"):
        predict_frames(folder, spec, server, AnalysisSettings(), tmp_path / "p.json")
