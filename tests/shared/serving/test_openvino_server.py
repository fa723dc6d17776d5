from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import NotFound
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.repository import ModelRepository
from tests.contracts.model_server import ModelServerContract, pictures

ROOT = Path(__file__).resolve().parents[3]


class TestOpenVinoServer(ModelServerContract):
    @pytest.fixture(scope="class")
    def repository(self, tmp_path_factory):
        return ModelRepository(tmp_path_factory.mktemp("models"))

    @pytest.fixture(scope="class")
    def server(self, repository):
        server = OpenVinoServer(repository, "the wheel has no build for this machine")
        yield server
        server.close()

    def test_it_says_why_it_is_not_triton(self, server, standing):
        assert server.models()[0].server.endswith(
            "(in process: the wheel has no build for this machine)"
        )

    def test_a_load_in_one_process_shows_in_the_others(self, server, repository, name, first):
        elsewhere = OpenVinoServer(ModelRepository(repository.root), "another process")
        assert elsewhere.infer(first, pictures(1)).size
        server.unload(name)
        with pytest.raises(NotFound):
            elsewhere.infer(first, pictures(1))
        elsewhere.close()


def test_from_url(tmp_path):
    server = OpenVinoServer.from_url(f"openvino:{tmp_path}?reason=no+build")
    assert server.repository.root == tmp_path
    assert "no build" in server.alive()


def test_a_forked_child_opens_its_own(tmp_path: Path, tiny_onnx: Path) -> None:
    """In a process of its own, which gives up after a while: a child that waits would wait for ever."""
    program = (
        "import os, pathlib, sys\n"
        "import numpy as np\n"
        "from shared.serving.openvino_server import OpenVinoServer\n"
        "from shared.serving.repository import ModelRepository\n"
        "server = OpenVinoServer(ModelRepository(pathlib.Path(sys.argv[1])), 'a test')\n"
        "spec, batch = server.spec('fly'), np.ones((2, 3, 64, 64), np.float32)\n"
        "answer = server.infer(spec, batch)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    same = np.array_equal(server.submit(spec, batch).result(20), answer)\n"
        "    os._exit(0 if same else 3)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    repository = ModelRepository(tmp_path)
    repository.write("fly", 1, tiny_onnx, classes=("a", "b"), task="detect", image_size=64)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=True, timeout=60)


def test_nobody_outside_is_told_what_runs_here(tiny_onnx: Path, tmp_path: Path) -> None:
    """No name is looked up, no connection opened, and no identity left in the user's folder."""
    program = (
        "import pathlib, sys\n"
        "def heard(event, given):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        os._exit(3)\n"
        "import os\n"
        "sys.addaudithook(heard)\n"
        "from shared.serving.openvino_network import Network\n"
        "Network(pathlib.Path(sys.argv[1]))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tiny_onnx)],
        env={**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        cwd=ROOT,
        check=True,
    )
    assert not list(tmp_path.iterdir())


def test_the_package_that_reports_home_is_not_installed() -> None:
    """Both openvino and nncf do without it; the Triton of the wheel has an environment of its own."""
    assert importlib.util.find_spec("openvino_telemetry") is None
    for lock in (ROOT / "deploy" / "requirements").glob("*.txt"):
        assert "openvino-telemetry" not in lock.read_text(encoding="utf-8"), lock


def test_two_first_requests_at_one_moment(tmp_path: Path, tiny_onnx: Path) -> None:
    """OpenVINO's first question for a type must not be asked by two threads: they would wait for ever."""
    program = (
        "import pathlib, sys, threading\n"
        "import numpy as np\n"
        "from shared.serving.openvino_network import Network\n"
        "network = Network(pathlib.Path(sys.argv[1]))\n"
        "sys.setswitchinterval(1e-6)\n"
        "together, batch = threading.Barrier(2), np.ones((4, 3, 64, 64), np.float32)\n"
        "ask = lambda: (together.wait(), network.run(batch))\n"
        "both = [threading.Thread(target=ask) for _ in range(2)]\n"
        "[each.start() for each in both], [each.join() for each in both]\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tiny_onnx)], cwd=ROOT, check=True, timeout=30
    )
