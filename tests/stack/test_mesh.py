"""The mesh as somebody at a terminal has it: `python -m deploy.local.mesh`, ended in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.cli.client import Client
from deploy.cli.doctor import examine as doctor
from deploy.local import mesh as mesh_module
from deploy.local import triton
from deploy.local.annotator import Annotator
from deploy.local.mesh import ROOT, Mesh
from deploy.local.state import STATE_FILE
from deploy.local.supervisor import STOP_S, Supervisor
from shared.bus.sqlite_database import Database
from shared.settings import Settings
from tests.stack.conftest import FAST
from tests.stack.killing import Moment, Witness, assert_one_set

START_S = 60.0
GONE_S = 2 * STOP_S  # who has not ended by then is killed, on a busy machine a little later


class Launcher:
    """A mesh in processes of its own, as `make up` starts it."""

    def __init__(self, folder: Path) -> None:
        self.port = triton.free_ports(1)[0]
        self.data = folder / "data"
        self.output = folder / "output"
        self.settings = {
            "ACTVERSE_DATA_DIR": str(self.data),
            "ACTVERSE_MODEL__REPOSITORY": str(folder / "triton_models"),
            "ACTVERSE_LABELING__POLL_S": "0.5",
            "ACTVERSE_GATEWAY__PORT": str(self.port),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.mesh"],
                cwd=ROOT,
                env={**os.environ, **self.settings},
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_S
        while "API key" not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, how: signal.Signals) -> int:
        """Send `how`; its exit code, once nothing of it runs any more."""
        assert self.process
        family = self.family()
        self.process.send_signal(how)
        code = self.process.wait(GONE_S)
        _, living = psutil.wait_procs(family, timeout=GONE_S)
        assert not living
        return code

    def refused(self, **other: str) -> str:
        """What a second start says, which must not succeed."""
        told = subprocess.run(
            [sys.executable, "-m", "deploy.local.mesh"],
            cwd=ROOT,
            env={**os.environ, **self.settings, **other},
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert told.returncode == 1
        return told.stderr


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    made = Launcher(tmp_path_factory.mktemp("launcher"))
    made.start()
    yield made
    if made.process and made.process.poll() is None:
        made.end(signal.SIGKILL)


@pytest.fixture
def witness(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    for name, value in launcher.settings.items():
        monkeypatch.setenv(name, value)
    made = Witness()
    yield made
    made.close()


def test_a_second_mesh_is_refused_with_a_sentence(launcher: Launcher, tmp_path: Path) -> None:
    assert f"A mesh is already running on {launcher.data}; stop it first" in launcher.refused()
    elsewhere = launcher.refused(ACTVERSE_DATA_DIR=str(tmp_path))
    assert (
        elsewhere == f"error: Port {launcher.port} is in use; choose another: make up PORT=9000.\n"
    )


@pytest.mark.slow
def test_a_killed_launcher_leaves_nothing_and_the_next_goes_on(
    launcher: Launcher, witness: Witness, arena: tuple[Path, Path]
) -> None:
    task_id, annotator = _submit(launcher, arena)
    witness.wait_for(task_id, Moment("model_training", "train", 0.3))
    launcher.end(signal.SIGKILL)
    launcher.start()
    witness.wait(task_id)
    assert annotator.problem is None
    assert_one_set(witness, task_id)


def test_a_mesh_that_is_stopped_gives_its_work_back_and_leaves_nothing(
    launcher: Launcher, witness: Witness, arena: tuple[Path, Path]
) -> None:
    task_id, _ = _submit(launcher, arena)
    witness.wait_for(task_id, Moment("model_training", "train"))
    state = launcher.data / STATE_FILE
    region = triton.REGION.format(json.loads(state.read_text())["triton_port"])
    assert list(triton.SHARED_MEMORY.glob(f"{region}*"))
    assert launcher.end(signal.SIGTERM) == 0
    assert not list(triton.SHARED_MEMORY.glob(f"{region}*"))
    assert not state.exists()
    given_back = Database(launcher.data / "broker.db").rows(
        "SELECT deliveries, owner FROM message WHERE queue = 'model_trainer'"
    )
    assert [tuple(row) for row in given_back] == [(0, None)]  # not counted as an attempt


def _submit(launcher: Launcher, arena: tuple[Path, Path]) -> tuple[str, Annotator]:
    client = Client(
        f"http://127.0.0.1:{launcher.port}", (launcher.data / "api_key").read_text().strip()
    )
    wish = {
        "num_frames": 16,
        "labeler": "folder",
        "classes": ["mouse"],
        "training": {**FAST, "epochs": 2},
    }
    task_id = client.submit(str(arena[0]), wish)
    annotator = Annotator(client, task_id, arena[1])
    annotator.start()
    return task_id, annotator


def test_without_triton_the_workers_serve_the_models_and_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ACTVERSE_MODEL__REPOSITORY", str(tmp_path / "triton_models"))
    monkeypatch.setattr(mesh_module, "TRITON_VENV", tmp_path / "absent")
    add = Supervisor.add  # those that have to do with models; the others start in the tests above
    only = {"gateway", "model_inference", "model_deployer"}
    monkeypatch.setattr(
        Supervisor,
        "add",
        lambda self, name, *how, **more: name in only and add(self, name, *how, **more),
    )
    with Mesh(Settings(), port=triton.free_ports(1)[0]) as mesh:
        said = capsys.readouterr().out
        assert "[mesh] OpenVINO serves the models: Triton's environment" in said
        with Client(mesh.url, mesh.key) as client:
            [served] = client.call("GET", "/models")
        findings = {f.what: f for f in doctor.examine()}
    assert served["state"] == "READY"
    assert served["server"].startswith("openvino ")
    assert "(in process: Triton's environment" in served["server"]
    told = findings["model server"].text
    assert told.startswith("OpenVINO in the process, because: Triton's environment")
