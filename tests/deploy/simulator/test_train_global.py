"""The whole way from scenes to a published model, with very little of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.simulator.onnx_detector import OnnxDetector
from deploy.simulator.publish_global import sha256
from deploy.simulator.train_global import Stage, train_global

SHIPPED = Path(__file__).parents[3] / "triton_models" / "global"


class Enough(Exception):
    """What follows has been seen."""


@pytest.mark.slow  # a maintainer's tool, and 24 s
def test_the_shipped_weights_can_be_tuned_measured_and_published_again(tmp_path):
    out = tmp_path / "out"
    fractions: list[float] = []
    arguments = {"images": 8, "measured_images": 4, "stages": (Stage(64, 1, 0.001, 0.0),)}
    card = train_global(
        out, tmp_path / "work", start_from=SHIPPED / "model.pt", **arguments,
        report=lambda fraction, message="", **figures: fractions.append(fraction),
    )  # fmt: skip
    assert json.loads((out / "model.json").read_text()) == card
    assert card["onnx_sha256"] == sha256(out / "model.onnx")
    assert card["onnx_sha256"] != sha256(SHIPPED / "model.onnx")
    assert card["weights_sha256"] == sha256(out / "model.pt")
    assert card["trained_on"]["epochs"] == 1
    assert card["trained_on"]["continued_from"] == sha256(SHIPPED / "model.pt")
    assert card["measured"]["known_families"]["images"] == 4
    assert fractions == sorted(fractions)
    assert OnnxDetector(out / "model.onnx").image_size == 320
    for name in ("model.pt", "model.onnx"):
        assert str(tmp_path).encode() not in (out / name).read_bytes()

    def until_trained(fraction: float, message: str = "", **figures: float) -> None:
        if message == "stage 1 of 1 is trained":
            raise Enough

    checkpoint = tmp_path / "work" / "runs" / "stage0" / "weights" / "last.pt"
    trained_at = checkpoint.stat().st_mtime_ns
    with pytest.raises(Enough):
        train_global(
            out,
            tmp_path / "work",
            start_from=SHIPPED / "model.pt",
            **arguments,
            report=until_trained,
        )
    assert checkpoint.stat().st_mtime_ns == trained_at  # a finished stage is not trained again
