"""What tests of several services share: a tiny detector with random weights, and a real Triton."""

from __future__ import annotations

import fcntl
import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from deploy.local.triton import TritonProcess, available
from shared.serving.repository import ModelRepository, sha256_of
from shared.serving.triton_server import TritonModelServer

os.environ.setdefault("YOLO_OFFLINE", "1")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
settings.register_profile("any machine", deadline=None)  # a busy one is slow, not wrong
settings.load_profile("any machine")

pytest_plugins = ["tests.servers.fixtures"]

gc.disable()  # what is collected stays: to look for garbage in it takes as long as to import it

SERVERS = {"rabbitmq", "postgres", "redis_server", "s3_server"}
GROUPS = {  # what is started for a folder is started in one process
    "tests/shared/flow/": "flow",
    "tests/shared/bus/": "bus",
    "tests/stack/": "stack",
    "tests/browser/": "browser",
    "tests/faults/": "servers",
    "tests/servers/": "servers",
    "tests/services/labeling_manager/test_label_studio": "label_studio",
}
LONGEST_FIRST = (  # so that what is left for the end is short, and no process waits for another
    "servers",
    "stack",
    "flow",
    "bus",
    "label_studio",
    "tests/deploy/simulator/test_train_global.py",
    "tests/services/model_trainer/test_training.py",
    "tests/services/model_deployer/test_deployment.py",
    "tests/shared/serving/test_triton_server.py",
    "tests/services/model_inference/test_analysis.py",
    "tests/shared/serving/test_openvino_server.py",
    "tests/services/video_processor/test_source_s3.py",
)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what runs in one process, where servers, and the whole mesh, are started once.

    Not all that needs a server: that would be more than half of the tests' time, and so the tail.
    """
    whole = {item.path for item in items if SERVERS & set(getattr(item, "fixturenames", ()))}
    places = {group: place for place, group in enumerate(LONGEST_FIRST)}
    place_of = {}
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        own = "servers" if item.path in whole else path
        group = next((name for folder, name in GROUPS.items() if path.startswith(folder)), own)
        item.add_marker(pytest.mark.xdist_group(group))
        place_of[item] = places.get(group, len(places))
    items.sort(key=place_of.__getitem__)  # what has no place stays in its order


def pytest_collection_finish() -> None:
    """From here on what has been loaded is passed over, in the children of this process too."""
    gc.freeze()
    gc.enable()


ROOT = Path(__file__).resolve().parents[1]
TINY_SIZE = 64  # pixels
TINY_CLASSES = ("mouse", "fly")

ARCHITECTURE = """
nc: {classes}
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [[2, 3, 4], 1, Detect, [nc]]
"""

WeightsMaker = Callable[..., Path]


@dataclass(frozen=True)
class RunningTriton:
    """A Triton of this test session; use model names of your own."""

    url: str
    repository: ModelRepository
    server: TritonModelServer
    process: TritonProcess


@pytest.fixture(scope="session")
def make_weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsMaker:
    """Makes a .pt of a tiny detector; `seed` decides its answers, some of which pass 0.25."""

    def make(path: Path, *, seed: int = 0, classes: tuple[str, ...] = TINY_CLASSES) -> Path:
        import torch
        from ultralytics.nn.tasks import DetectionModel

        yaml = tmp_path_factory.mktemp("architecture") / "tiny.yaml"
        yaml.write_text(ARCHITECTURE.format(classes=len(classes)))
        torch.manual_seed(seed)
        model = DetectionModel(str(yaml), verbose=False)
        model.names = dict(enumerate(classes))
        model.args = {"imgsz": TINY_SIZE}
        for layer in model.modules():  # normalise by what passes through, or the signal fades away
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None
        with torch.no_grad():
            model.train()(torch.rand(16, 3, TINY_SIZE, TINY_SIZE))
            for boxes, scores in zip(model.model[-1].cv2, model.model[-1].cv3, strict=True):
                torch.nn.init.normal_(boxes[-1].weight, std=0.3)
                torch.nn.init.normal_(scores[-1].weight, std=0.3)
                torch.nn.init.constant_(scores[-1].bias, -2.0)
        torch.save(
            {"model": model.eval(), "train_args": {"imgsz": TINY_SIZE, "task": "detect"}}, path
        )
        return path

    return make


MakeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Makes a file for all processes of a run; whoever needs it first makes it, the others wait."""
    mine = tmp_path_factory.getbasetemp()
    ours = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine

    def make(name: str, write: Callable[[Path], object]) -> Path:
        file = ours / "made_once" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        done = file.with_name(f"{file.name}.done")
        with file.with_name(f"{file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                write(file)
                done.touch()
        return file

    return make


@pytest.fixture(scope="session")
def tiny_weights(make_weights: WeightsMaker, make_once: MakeOnce) -> Path:
    """A registered .pt: two classes, 64 px; its folder is its registry."""
    return make_once("tiny/model.pt", make_weights)


@pytest.fixture(scope="session")
def tiny_onnx(tiny_weights: Path, make_once: MakeOnce) -> Path:
    """The same detector as ONNX, by the project's own exporter."""
    return make_once("tiny_onnx/model.onnx", lambda file: export(tiny_weights, file))


@pytest.fixture(scope="session")
def other_onnx(make_weights: WeightsMaker, make_once: MakeOnce) -> Path:
    """A detector with three classes (cat, dog, fly) that answers otherwise, at the same size."""

    def write(file: Path) -> None:
        weights = file.with_suffix(".pt")
        export(make_weights(weights, seed=1, classes=("cat", "dog", "fly")), file)

    return make_once("other/model.onnx", write)


def export(weights: Path, onnx: Path) -> Path:
    from services.model_deployer.engines.port import exporter

    digest = sha256_of(weights)
    return exporter(weights.parent).export(weights, onnx, TINY_SIZE, expected_sha256=digest).onnx


@pytest.fixture(scope="session")
def triton_venv() -> Path:
    """Triton's environment, made when absent; tests that need it are skipped where it cannot run."""
    venv = ROOT / ".venv-triton"
    if not (venv / "bin" / "python3").exists():
        subprocess.run([ROOT / "deploy" / "local" / "setup.sh", "triton"], check=True)
    reason = available(venv)
    if reason:
        pytest.skip(reason)
    return venv


@pytest.fixture(scope="session")
def triton(triton_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    folder = tmp_path_factory.mktemp("triton")
    with TritonProcess(triton_venv, folder / "models") as process:
        server = TritonModelServer(process.url, timeout_s=30)
        yield RunningTriton(process.url, ModelRepository(folder / "models"), server, process)
        server.close()
        process.kill()  # quicker than asking it to end, and nothing is in flight
