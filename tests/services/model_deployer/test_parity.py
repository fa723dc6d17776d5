from __future__ import annotations

import numpy as np
import pytest

from services.model_deployer.engines.parity import (
    Tolerance,
    compare,
    drawn_batch,
    frames_batch,
    onnx_against_server,
    weights_against_onnx,
)
from services.model_deployer.errors import ParityFailed
from shared.errors import NotFound, Terminal
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.repository import ModelRepository, sha256_of

SIZE = 64


def raw(*found: tuple[float, float, float, float, float, float]) -> np.ndarray:
    """One image's answer: the given (cx, cy, w, h, score of class 0, of class 1), rest nothing."""
    output = np.zeros((1, 6, 84), np.float32)
    output[0, 2:4] = 4.0
    for anchor, values in enumerate(found):
        output[0, :, anchor] = values
    return output


ANIMAL = (20.0, 20.0, 10.0, 8.0, 0.8, 0.1)
AT_THRESHOLD = (50.0, 50.0, 10.0, 8.0, 0.252, 0.0)


def judged(left, right):
    return compare("the left", left, "the right", right, SIZE)


def test_the_weights_and_their_onnx_file_answer_alike(tiny_weights, tiny_onnx):
    report = weights_against_onnx(
        tiny_weights,
        tiny_onnx,
        drawn_batch(SIZE),
        registry=tiny_weights.parent,
        expected_sha256=sha256_of(tiny_weights),
    )
    assert report.frames == 8
    assert report.detections > 0
    assert report.unmatched == 0
    assert 0 < report.raw_box_px < 0.01
    assert report.raw_score < 0.001
    assert report.figures()["frames"] == 8


def test_another_models_file_is_noticed(make_weights, tiny_onnx, tmp_path):
    impostor = make_weights(tmp_path / "model.pt", seed=5)
    with pytest.raises(
        ParityFailed, match=r"the ONNX file does not answer as the weights do.*raw_score"
    ):
        weights_against_onnx(
            impostor,
            tiny_onnx,
            drawn_batch(SIZE),
            registry=tmp_path,
            expected_sha256=sha256_of(impostor),
        )


def test_a_server_that_answers_alike_and_one_that_does_not(tiny_onnx, make_weights, tmp_path):
    from tests.conftest import export

    repository = ModelRepository(tmp_path / "models")
    given = {"classes": ("mouse", "fly"), "task": "detect", "image_size": SIZE}
    spec = repository.write("fly", None, tiny_onnx, **given)
    server = OpenVinoServer(repository, "a test")
    report = onnx_against_server(tiny_onnx, server, spec, drawn_batch(SIZE))
    assert report.right.startswith("openvino")
    assert report.detections > 0
    other = export(make_weights(tmp_path / "other.pt", seed=9), tmp_path / "other.onnx")
    with pytest.raises(ParityFailed, match="is not deployed"):
        onnx_against_server(other, server, spec, drawn_batch(SIZE))
    server.close()


def test_what_passes():
    same = judged(raw(ANIMAL), raw(ANIMAL))
    assert (same.detections, same.unmatched, same.box_px, same.raw_score) == (1, 0, 0, 0)
    near = judged(raw(ANIMAL), raw((20.4, 20.0, 10.0, 8.0, 0.795, 0.1)))
    assert near.box_px == pytest.approx(0.4, abs=1e-3)
    assert near.score == pytest.approx(0.005, abs=1e-4)
    # at the threshold itself either side may drop it
    below = (*AT_THRESHOLD[:4], 0.2495, 0.0)
    assert judged(raw(ANIMAL, AT_THRESHOLD), raw(ANIMAL, below)).unmatched == 0
    assert judged(raw(ANIMAL, below), raw(ANIMAL, AT_THRESHOLD)).unmatched == 0
    assert judged(raw(), raw()).detections == 0
    # of two anchors on one animal with nearly equal scores each side may keep another one
    one, other = (20.0, 20.0, 10.0, 8.0, 0.8001, 0.0), (21.5, 20.0, 10.0, 8.0, 0.8, 0.0)
    swapped = judged(raw(one, other), raw((*one[:4], 0.8, 0.0), (*other[:4], 0.8001, 0.0)))
    assert (swapped.detections, swapped.unmatched) == (1, 0)
    assert swapped.box_px < 0.01
    # a box that reaches over the edge is clipped on both sides
    over = (2.0, 20.0, 10.0, 8.0, 0.8, 0.1)
    assert judged(raw(over), raw(over)).box_px == 0


@pytest.mark.parametrize(
    ("right", "why"),
    [
        (raw(), "1 of 1 detections differ"),
        (raw(ANIMAL, (50.0, 50.0, 10.0, 8.0, 0.9, 0.0)), "1 of 1 detections differ"),
        (raw((20.0, 20.0, 10.0, 8.0, 0.1, 0.8)), "score, raw_score beyond"),
        (raw((22.0, 20.0, 10.0, 8.0, 0.8, 0.1)), "box_px beyond"),
        (raw((20.0, 20.0, 10.0, 8.0, 0.785, 0.1)), "score beyond"),
        (raw(ANIMAL, (50.0, 50.0, 10.0, 8.0, 0.1, 0.0)), "raw_box_px, raw_score beyond"),
        (raw(ANIMAL)[:, :5], "other shapes"),
        (raw(ANIMAL) * np.float32("nan"), "differ"),
        (raw(ANIMAL, (np.nan, 0, 0, 0, 0, 0)), "raw_box_px beyond"),
    ],
)
def test_what_does_not_pass(right, why):
    with pytest.raises(ParityFailed, match=why):
        judged(raw(ANIMAL), right)


def test_a_failure_gives_its_figures():
    with pytest.raises(ParityFailed, match=r"box_px 2 of at most 1, score 0 of at most 0\.01"):
        judged(raw(ANIMAL), raw((22.0, 20.0, 10.0, 8.0, 0.8, 0.1)))
    wide = Tolerance(box_px=3)
    assert (
        compare("a", raw(ANIMAL), "b", raw((22.0, 20.0, 10.0, 8.0, 0.8, 0.1)), SIZE, wide).box_px
        == 2
    )
    assert issubclass(ParityFailed, Terminal)


def test_frames_are_spread_and_letterboxed(tmp_path):
    import cv2

    for number in range(20):
        cv2.imwrite(
            str(tmp_path / f"{number:08d}.png"), np.full((30, 60, 3), (0, 0, number * 10), np.uint8)
        )
    frames = list(tmp_path.iterdir())
    batch = frames_batch(frames, SIZE)
    assert batch.shape == (8, 3, SIZE, SIZE)
    assert batch.dtype == np.float32
    reds = np.round(batch[:, 0, 32, 32] * 25.5).astype(int)
    assert (reds[0], reds[-1]) == (0, 19)
    assert np.all(np.diff(reds) >= 2)
    np.testing.assert_allclose(batch[:, :, 2, 2], 114 / 255, atol=1e-6)  # grey above and below
    assert frames_batch(frames[:3], SIZE).shape[0] == 3  # a video of three frames
    (tmp_path / "00000000.png").write_bytes(b"no image")
    with pytest.raises(NotFound, match=r"00000000\.png"):
        frames_batch(frames, SIZE)
    with pytest.raises(NotFound, match="no frames"):
        frames_batch([], SIZE)
