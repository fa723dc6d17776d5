from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.local.triton import TritonProcess, available, command, free_ports
from shared.errors import Invalid, NotFound, Terminal, Unavailable
from shared.serving.config_pbtxt import Hardware
from shared.serving.port import ModelSpec
from shared.serving.repository import ModelRepository
from shared.serving.triton_server import TritonModelServer
from shared.serving.triton_wire import array_of
from tests.contracts.model_server import SIZE, ModelServerContract, expected, pictures
from tests.shared.serving.empty_start import restart_empty


class TestTritonModelServer(ModelServerContract):
    @pytest.fixture(scope="class")
    def repository(self, triton):
        return triton.repository

    @pytest.fixture(scope="class")
    def server(self, triton):
        return triton.server

    def forget(self, server, name):
        server._connection().unload_model(name)  # without waiting for the end of its process

    def test_a_configuration_that_triton_cannot_read_is_refused(
        self, server, repository, name, first
    ):
        config = repository.root / name / "config.pbtxt"
        config.write_text(config.read_text() + "nonsense: 1\n")
        with pytest.raises(Terminal, match=r"config\.pbtxt"):
            server.load(name)
        assert server.infer(first, pictures(1)).size

    @pytest.mark.parametrize("hardware", [Hardware(), Hardware(gpu=True, tensorrt=True)])
    def test_the_configuration_for_the_onnx_backend_is_read_up_to_the_backend(
        self, triton, server, tiny_onnx, hardware
    ):
        """The wheel has no such backend; that this is all it misses says that it could read it."""
        repository = ModelRepository(triton.repository.root, "onnxruntime", hardware=hardware)
        name = f"onnx-{'gpu' if hardware.gpu else 'cpu'}"
        repository.write(
            name, None, tiny_onnx, classes=("mouse", "fly"), task="detect", image_size=SIZE
        )
        with pytest.raises(Terminal, match="unable to find backend library for backend 'onnx"):
            server.load(name)
        repository.remove(name, 1)

    def test_the_client_of_ultralytics_understands_the_configuration(
        self, triton, standing, tiny_onnx
    ):
        from ultralytics.utils.triton import TritonRemoteModel

        remote = TritonRemoteModel(triton.url.removeprefix("triton://"), standing.name, "grpc")
        assert remote.metadata["names"] == {0: "mouse", 1: "fly"}
        assert remote.metadata["imgsz"] == [SIZE, SIZE]
        batch = pictures(2)
        np.testing.assert_allclose(remote(batch)[0], expected(tiny_onnx, batch), atol=1e-3)

    def test_a_forked_child_opens_its_own_connection(self, triton, standing):
        code = (
            "import os, sys, numpy as np\n"
            "from shared.serving.triton_server import TritonModelServer\n"
            f"server = TritonModelServer({triton.url!r}); spec = server.spec('standing')\n"
            "batch = np.zeros((1, 3, 64, 64), np.float32); server.infer(spec, batch)\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os._exit(0 if server.infer(spec, batch).size else 1)\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], timeout=60, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def test_a_request_that_fails_takes_no_other_along(self, server, standing):
        wrong = replace(
            standing, image_size=96
        )  # Triton joins what it gets; the model takes 64 only
        bad = np.zeros((1, 3, 96, 96), np.float32)
        sent = [(server.submit(standing, pictures(2)), server.submit(wrong, bad)) for _ in range(6)]
        for good, failing in sent:
            assert good.result(30).shape[0] == 2
            with pytest.raises(Terminal, match="incompatible"):
                failing.result(30)

    def test_a_killed_model_process_is_started_again(self, triton, server, name, first):
        own = [pid for pid in children(triton.process.pid) if f"/{name}/" in command_line(pid)]
        assert len(own) == 1
        os.kill(own[0], signal.SIGKILL)
        with pytest.raises(Unavailable, match="started again"):
            server.infer(first, pictures(1))
        assert server.infer(first, pictures(1)).size
        assert server.spec(name) == first

    def test_a_server_that_hangs_is_unavailable_within_the_time_limit(self, triton, standing):
        impatient = TritonModelServer(triton.url, timeout_s=0.5)
        os.kill(triton.process.pid, signal.SIGSTOP)
        while state_of(triton.process.pid) != "T":  # a busy machine stops it when it gets to it
            time.sleep(0.01)
        try:
            began = time.monotonic()
            with pytest.raises(Unavailable, match="in time"):
                impatient.infer(standing, pictures(1))
            assert time.monotonic() - began < 5
        finally:
            os.kill(triton.process.pid, signal.SIGCONT)
        assert triton.server.infer(standing, pictures(1)).size
        impatient.close()


class TestOfOnesOwn:
    """A Triton of its own for each test, because these tests end it."""

    @pytest.fixture
    def process(self, triton_venv, tmp_path, tiny_onnx):
        repository = ModelRepository(tmp_path / "models")
        repository.write(
            "fly", None, tiny_onnx, classes=("mouse", "fly"), task="detect", image_size=SIZE
        )
        with TritonProcess(triton_venv, repository.root) as process:
            yield process
            process.kill()

    @pytest.fixture
    def server(self, process):
        server = TritonModelServer(process.url, timeout_s=10)
        yield server
        server.close()

    def test_gone_is_unavailable_and_back_is_as_before(self, process, server):
        spec = server.spec("fly")
        before = server.infer(spec, pictures(1))
        flying = [server.submit(spec, pictures(16)) for _ in range(8)]
        family = children(process.pid)
        process.kill()
        for future in flying:  # each ends: with an answer, or with an error worth another try
            error = future.exception(10)
            assert error is None or isinstance(error, Unavailable)
        for call in (lambda: server.infer(spec, pictures(1)), server.alive, server.models):
            with pytest.raises(Unavailable, match="does not answer"):
                call()
        with pytest.raises(Unavailable):
            server.submit(spec, pictures(1)).result(10)
        process.start()
        # the restarted server loaded its models itself, and the client dials at once
        np.testing.assert_array_equal(server.infer(spec, pictures(1)), before)
        # a model process that was interrupted in the middle would wait for ever
        assert not [pid for pid in family if running(pid)]

    def test_a_restart_loads_what_belongs_there_and_survives_what_is_broken(
        self, process, server, tiny_onnx
    ):
        repository = ModelRepository(process.repository)
        for name in ("broken", "unloaded"):
            repository.write(
                name, None, tiny_onnx, classes=("a", "b"), task="detect", image_size=SIZE
            )
        (process.repository / "broken" / "1" / "model.onnx").write_bytes(b"junk")
        repository.want("unloaded", loaded=False)
        process.kill()
        process.start()
        assert server.infer(server.spec("fly"), pictures(1)).size
        states = {m.name: m.state for m in server.models()}
        assert states == {"fly": "READY", "broken": "UNAVAILABLE", "unloaded": "UNAVAILABLE"}
        with pytest.raises(NotFound):
            server.spec("unloaded")
        repository.want("unloaded", loaded=True)
        server.load("unloaded")
        assert server.infer(server.spec("unloaded"), pictures(1)).size

    @pytest.fixture
    def healing(self, process):
        repository = ModelRepository(process.repository)
        server = TritonModelServer(process.url, timeout_s=10, repository=repository)
        yield server
        server.close()

    def test_a_server_that_came_back_empty_gets_its_models_again(
        self, process, server, healing, tiny_onnx
    ):
        spec = healing.spec("fly")
        before = healing.infer(spec, pictures(1))
        repository = ModelRepository(process.repository)
        for name in ("mouse", "withdrawn"):
            repository.write(
                name, None, tiny_onnx, classes=("a", "b"), task="detect", image_size=SIZE
            )
        repository.want("withdrawn", loaded=False)
        withdrawn = repository.spec("withdrawn", 1)
        restart_empty(process)
        with pytest.raises(NotFound, match="fly"):  # who does not know the repository cannot tell
            server.infer(spec, pictures(1))
        flying = [healing.submit(spec, pictures(1)) for _ in range(6)]
        for future in flying:  # no request fails: each waits until the model is there
            np.testing.assert_array_equal(future.result(60), before)
        assert healing.spec("mouse").name == "mouse"
        assert healing.spec("mouse", 1).name == "mouse"
        for call in (
            lambda: healing.spec("withdrawn"),
            lambda: healing.infer(withdrawn, pictures(1)),
        ):
            with pytest.raises(NotFound, match="withdrawn"):
                call()
        healing.unload("fly")  # somebody's own word counts more than the repository
        with pytest.raises(NotFound, match="fly"):
            healing.infer(spec, pictures(1))
        with pytest.raises(NotFound, match="nobody"):
            healing.spec("nobody")

    def test_it_leaves_neither_processes_nor_shared_memory(self, process):
        family = [process.pid, *children(process.pid)]
        regions = f"actverse-triton-{process.grpc_port}-*"
        assert len(family) > 1
        assert list(Path("/dev/shm").glob(regions))
        process.stop()
        deadline = time.monotonic() + 10
        while alive := [pid for pid in family if running(pid)]:
            assert time.monotonic() < deadline, alive
            time.sleep(0.05)
        assert not list(Path("/dev/shm").glob(regions))


def test_it_dies_with_the_process_that_started_it(triton_venv, tmp_path):
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from deploy.local.triton import TritonProcess\n"
        f"process = TritonProcess(Path({str(triton_venv)!r}), Path({str(tmp_path / 'models')!r}))\n"
        "process.start()\n"
        "print(process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    pid = int(parent.stdout)
    deadline = time.monotonic() + 15
    while running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_answer_without_bytes_is_named_for_what_it_is():
    """As a Python backend on numpy 2 sends it: the right shape, and nothing in it."""
    from tritonclient.grpc import InferResult, service_pb2

    response = service_pb2.ModelInferResponse(raw_output_contents=[b""])
    response.outputs.add(name="output0", datatype="FP32", shape=[1, 6, 84])
    with pytest.raises(Terminal, match="numpy"):
        array_of(InferResult(response))


def test_nothing_listens(tmp_path):
    server = TritonModelServer(f"triton://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(Unavailable, match="does not answer"):
        server.alive()
    spec = ModelSpec("a", 1, ("a",), "detect", SIZE, "")
    with pytest.raises(Unavailable):
        server.infer(spec, pictures(1))
    server.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "triton://127.0.0.1", "triton:8001", ""])
def test_an_address_that_is_none(url):
    with pytest.raises(Invalid, match="triton://host:port"):
        TritonModelServer(url)


def test_why_triton_cannot_run_is_said(tmp_path):
    absent = available(tmp_path / "nowhere")
    assert absent is not None
    assert "setup.sh triton" in absent
    (tmp_path / "venv").mkdir()
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60
    )
    empty = available(tmp_path / "venv")
    assert empty is not None
    assert "lacks Triton's tritonserver" in empty


def test_a_taken_port_is_said_and_the_server_that_has_it_lives_on(triton, standing_model):
    ports = triton.process.http_port, triton.process.grpc_port, triton.process.metrics_port
    argv, env = command(triton.process.venv, triton.process.repository, *ports)
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert f"port {ports[0]}" in ended.stderr
    assert triton.server.infer(standing_model, pictures(1)).size


@pytest.fixture
def standing_model(triton, tiny_onnx):
    given = {"classes": ("mouse", "fly"), "task": "detect", "image_size": SIZE}
    spec = triton.repository.write("second-start", None, tiny_onnx, **given)
    triton.server.load(spec.name)
    yield spec
    triton.server._connection().unload_model(spec.name)
    triton.repository.remove(spec.name, spec.version)


def test_the_command_of_a_broken_environment_ends_with_the_reason(tmp_path):
    argv, env = command(tmp_path / "nowhere", tmp_path / "models", *free_ports(3))
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "is absent" in ended.stderr


def children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    direct = [int(each) for each in listed.stdout.split()]
    return [*direct, *(below for child in direct for below in children(child))]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:  # it ended between being listed and being looked at
        return ""


def running(pid: int) -> bool:
    return state_of(pid) not in {"Z", ""}


def state_of(pid: int) -> str:
    """R, S, T, Z ... as ps shows it; "" for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
