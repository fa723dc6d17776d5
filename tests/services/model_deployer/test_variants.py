"""8-bit integers are served only where they are quicker and as good on the user's own frames."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.model_deployer.engines import variants
from services.model_deployer.engines.int8 import has_int8, read_batch
from services.model_deployer.engines.parity import drawn_batch, onnx_against_server
from services.model_deployer.engines.variants import Choice, choose_variant
from shared.errors import Cancelled
from shared.labels.boxes import Box
from shared.labels.yolo import write_yolo
from shared.serving.onnx_file import read_signature
from shared.serving.openvino_network import Network
from shared.vision.geometry import non_max_suppression
from tests.conftest import ROOT, TINY_CLASSES, TINY_SIZE

FRAMES = {"train": 10, "val": 6}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiny_onnx: Path) -> Path:
    """A data set whose truth is what the detector in 32 bits sees, so that its own score is high."""
    folder, network = tmp_path_factory.mktemp("data"), Network(tiny_onnx)
    for seed, (name, count) in enumerate(FRAMES.items()):
        for kind in ("images", "labels"):
            (folder / kind / name).mkdir(parents=True)
        for number, canvas in enumerate(drawn_batch(TINY_SIZE, count)):
            image = (np.roll(canvas, seed * 7, axis=2).transpose(1, 2, 0) * 255).astype(np.uint8)
            picture = folder / "images" / name / f"{number:08d}.png"
            cv2.imwrite(str(picture), image[..., ::-1])
            batch, box = read_batch(picture, TINY_SIZE)
            seen = non_max_suppression(network.run(batch)[0], box, 0.25, 0.7)
            boxes = [
                Box(
                    int(c),
                    *(
                        float(v) / TINY_SIZE
                        for v in ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
                    ),
                )
                for (x1, y1, x2, y2), c in zip(seen.xyxy, seen.class_id, strict=True)
            ]
            text = folder / "labels" / name / f"{number:08d}.txt"
            text.write_text(write_yolo(boxes), encoding="utf-8")
    return folder


QUANTISES = """
import logging, os, pathlib, sys

def heard(event, given):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os._exit(3)

sys.addaudithook(heard)
from services.model_deployer.engines.int8 import quantise
from shared import log

log.configure("INFO", "json", service="probe")

onnx, frames, *outs = map(pathlib.Path, sys.argv[1:])
for out in outs:
    quantise(onnx, sorted(frames.iterdir()), 64, out)
logging.getLogger("nncf").warning("a layer was left out")
"""


@pytest.fixture(scope="module")
def integers(tmp_path_factory: pytest.TempPathFactory, data: Path, tiny_onnx: Path) -> Path:
    """The tiny detector in integers, by a process that ends when it wants to talk to anybody.

    nncf is silent wherever it sees pytest, so not by this one. Made twice: nothing in it is chance.
    What it writes are lines of the log, as everybody's, and no bars of progress between them.
    """
    folder = tmp_path_factory.mktemp("integers")
    home = folder / "home"
    home.mkdir()
    made = [folder / "model.onnx", folder / "again.onnx"]
    done = subprocess.run(
        [sys.executable, "-c", QUANTISES, tiny_onnx, data / "images" / "train", *made],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["a layer was left out"]
    assert made[0].read_bytes() == made[1].read_bytes()
    assert not list(home.iterdir())
    return made[0]


@pytest.fixture
def chosen(
    tmp_path: Path,
    data: Path,
    tiny_onnx: Path,
    integers: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Chooses; the gain that is asked for is given, as a tiny network in integers is no quicker."""

    def made(_onnx: Path, _frames: object, _size: int, out: Path, *, keep_head: bool) -> Path:
        del keep_head
        return Path(shutil.copy(integers, out))

    monkeypatch.setattr(variants, "quantise", made)

    def choose(most_loss: float, *, gain: float = 0.0, folder: Path = data) -> tuple[Choice, Path]:
        monkeypatch.setattr(variants, "has_int8", lambda: True)
        monkeypatch.setattr(variants, "GAIN", gain)
        out = tmp_path / "model.int8.onnx"
        given = {"classes": TINY_CLASSES, "image_size": TINY_SIZE, "most_loss": most_loss}
        return choose_variant(tiny_onnx, folder, out, **given), out

    return choose


def test_integers_that_lose_little_are_served(chosen) -> None:
    choice, out = chosen(1.0)
    assert choice.variant == "int8"
    assert out.is_file()
    told = choice.figures()
    assert told["fp32"]["map50_95"] > 0.8
    assert 0 < told["int8"]["map50_95"] <= 1
    assert min(told[form]["frames_per_s"] for form in ("fp32", "int8")) > 0
    assert "8-bit integers: mAP50-95" in told["reason"]


def test_integers_that_lose_more_are_not(chosen) -> None:
    choice, out = chosen(-1.0)
    assert choice.variant == "fp32"
    assert choice.reason.startswith("Served in 32 bits. 8-bit integers: mAP50-95")
    assert not out.exists()


def test_integers_that_are_no_quicker_are_not(chosen) -> None:
    choice, out = chosen(1.0, gain=1e6)
    assert (choice.variant, out.exists()) == ("fp32", False)
    assert "times the speed (at least 1e+06)" in choice.reason


def test_integers_that_cannot_be_made_are_told_and_a_cancelled_choice_ends(
    chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("no such operator")

    def cancelled(*_: object, **__: object) -> None:
        raise Cancelled("The user cancelled the task.")

    monkeypatch.setattr(variants, "quantise", fails)
    choice, out = chosen(1.0)
    assert (choice.variant, out.exists()) == ("fp32", False)
    assert "no such operator" in choice.reason
    monkeypatch.setattr(variants, "quantise", cancelled)
    with pytest.raises(Cancelled):
        chosen(1.0)


def test_without_frames_or_instructions_nothing_is_tried(chosen, tmp_path, data, tiny_onnx) -> None:
    choice, _ = chosen(1.0, folder=tmp_path / "nothing")
    assert "0 training and 0 validation frames are too few" in choice.reason
    plain = tmp_path / "cpuinfo"
    plain.write_text("flags : sse2 avx2 avx512f\n")
    assert not has_int8(plain)
    plain.write_text("flags : avx2 avx512_vnni\n")
    assert has_int8(plain)


def test_the_integers_are_served_as_the_file_answers(
    integers: Path, tiny_onnx: Path, triton
) -> None:
    """On a real Triton, through the same gate as 32 bits."""
    assert read_signature(integers, classes=2, image_size=TINY_SIZE) == read_signature(
        tiny_onnx, classes=2, image_size=TINY_SIZE
    )
    given = {"classes": TINY_CLASSES, "task": "detect", "image_size": TINY_SIZE}
    spec = triton.repository.write("tiny-int8", 1, integers, **given)
    try:
        triton.server.load(spec.name)
        report = onnx_against_server(integers, triton.server, spec, drawn_batch(TINY_SIZE))
        assert report.detections > 0
        assert report.raw_box_px < 0.01
    finally:
        triton.repository.remove(spec.name, 1)
        triton.server.unload(spec.name)
