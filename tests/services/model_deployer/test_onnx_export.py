from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.model_deployer.engines.port import exporter
from services.model_deployer.errors import (
    NotADetector,
    WeightsAbsent,
    WeightsChanged,
    WeightsOutsideRegistry,
)
from shared.errors import Cancelled, Invalid
from shared.serving.repository import sha256_of


@pytest.fixture
def registry(tmp_path, tiny_weights):
    folder = tmp_path / "registry"
    folder.mkdir()
    shutil.copy(tiny_weights, folder / "model.pt")
    return folder


class Trap:
    """A pickle that leaves a mark when somebody opens it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_the_file_takes_any_batch_at_one_size(tiny_onnx):
    import onnx
    import onnxruntime

    model = onnx.load(str(tiny_onnx))
    assert [each.version for each in model.opset_import if not each.domain] == [17]
    session = onnxruntime.InferenceSession(str(tiny_onnx), providers=["CPUExecutionProvider"])
    (given,), (answered,) = session.get_inputs(), session.get_outputs()
    assert given.shape == ["batch", 3, 64, 64]
    assert answered.shape == ["batch", 6, 84]
    assert given.type == answered.type == "tensor(float)"
    for count in (1, 3):
        batch = np.random.default_rng(0).random((count, 3, 64, 64), dtype=np.float32)
        assert session.run(None, {"images": batch})[0].shape == (count, 6, 84)
    with pytest.raises(Exception, match="invalid dimensions"):
        session.run(None, {"images": np.zeros((1, 3, 96, 96), np.float32)})


def test_what_is_known_of_it(registry, tmp_path):
    weights, target = registry / "model.pt", tmp_path / "out" / "model.onnx"
    digest = sha256_of(weights)
    exported = exporter(registry).export(weights, target, expected_sha256=digest)
    assert exported.classes == ("mouse", "fly")
    assert exported.image_size == 64  # what it was trained with
    assert exported.task == "detect"
    assert (exported.onnx, exported.sha256, exported.weights_sha256) == (
        target,
        sha256_of(target),
        digest,
    )
    assert [p.name for p in target.parent.iterdir()] == ["model.onnx"]
    assert sorted(p.name for p in registry.iterdir()) == ["model.pt"]


def test_the_same_weights_give_the_same_file_and_no_second_export(registry, tiny_onnx, tmp_path):
    weights = registry / "model.pt"
    digest = sha256_of(weights)
    one = exporter(registry).export(weights, tmp_path / "1.onnx", expected_sha256=digest)
    assert one.sha256 == sha256_of(tiny_onnx)  # of the same weights, maybe by another process
    written = one.onnx.stat().st_mtime_ns
    assert exporter(registry).export(weights, one.onnx, 64, expected_sha256=digest) == one
    assert one.onnx.stat().st_mtime_ns == written
    larger = exporter(registry).export(weights, one.onnx, 96, expected_sha256=digest)
    assert (larger.image_size, larger.sha256 != one.sha256) == (96, True)


def test_a_stranger_is_never_opened(registry, tmp_path):
    mark = tmp_path / "opened"
    stranger = tmp_path / "stranger.pt"
    stranger.write_bytes(pickle.dumps(Trap(mark)))
    digest = sha256_of(stranger)
    engine = exporter(registry)
    with pytest.raises(WeightsOutsideRegistry, match="registry"):
        engine.export(stranger, tmp_path / "a.onnx", expected_sha256=digest)
    with pytest.raises(WeightsOutsideRegistry):
        engine.export(registry / ".." / "stranger.pt", tmp_path / "a.onnx", expected_sha256=digest)
    (registry / "link.pt").symlink_to(stranger)
    with pytest.raises(WeightsOutsideRegistry):
        engine.export(registry / "link.pt", tmp_path / "a.onnx", expected_sha256=digest)
    # inside the registry, but exchanged after it was registered
    known = sha256_of(registry / "model.pt")
    shutil.copy(stranger, registry / "model.pt")
    with pytest.raises(WeightsChanged, match=known[:12]):
        engine.export(registry / "model.pt", tmp_path / "a.onnx", expected_sha256=known)
    assert not mark.exists()
    assert not (tmp_path / "a.onnx").exists()


def test_files_that_hold_no_detector(registry, tmp_path):
    broken = registry / "broken.pt"
    broken.write_bytes(b"nothing")
    with pytest.raises(NotADetector, match="cannot be opened"):
        exporter(registry).export(broken, tmp_path / "a.onnx", expected_sha256=sha256_of(broken))
    with pytest.raises(WeightsAbsent, match=r"absent\.pt"):
        exporter(registry).export(registry / "absent.pt", tmp_path / "a.onnx", expected_sha256="")
    weights = registry / "model.pt"
    with pytest.raises(NotADetector, match="multiple of 32"):
        exporter(registry).export(
            weights, tmp_path / "a.onnx", 50, expected_sha256=sha256_of(weights)
        )


def test_a_cancelled_export_leaves_nothing(registry, tmp_path):
    def report(fraction, message="", **figures):
        if fraction >= 0.5:
            raise Cancelled("The user cancelled the task.")

    weights = registry / "model.pt"
    with pytest.raises(Cancelled):
        exporter(registry).export(
            weights, tmp_path / "out" / "a.onnx", expected_sha256=sha256_of(weights), report=report
        )
    assert list((tmp_path / "out").iterdir()) == []


def test_half_a_file_under_the_name_is_replaced(registry, tmp_path):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"half")
    weights = registry / "model.pt"
    exported = exporter(registry).export(weights, target, expected_sha256=sha256_of(weights))
    assert exported.sha256 == sha256_of(target)
    assert target.stat().st_size > 1000


def test_an_unknown_exporter_lists_the_known(tmp_path):
    with pytest.raises(Invalid, match="ultralytics"):
        exporter(tmp_path, "tensorrt")


def test_the_port_loads_no_heavy_library():
    code = (
        "import sys, services.model_deployer.engines.port, services.model_deployer.errors, "
        "shared.serving.port, shared.serving.repository, shared.serving.triton_server, "
        "shared.serving.openvino_server\n"
        "heavy = {'torch', 'ultralytics', 'cv2', 'onnx', 'onnxruntime', 'openvino', 'tritonclient', 'grpc'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
