"""Frames reach a Triton on the same machine through memory that both map."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.local.triton import TritonProcess
from shared.errors import Unavailable
from shared.serving import triton_memory
from shared.serving.repository import ModelRepository
from shared.serving.triton_memory import PREFIX, is_loopback
from shared.serving.triton_server import TritonModelServer
from tests.contracts.model_server import SIZE, expected, pictures

ROOT = Path(__file__).resolve().parents[3]
FILES = Path("/dev/shm")


@pytest.fixture(scope="module")
def standing(triton, tiny_onnx):
    given = {"classes": ("mouse", "fly"), "task": "detect", "image_size": SIZE}
    spec = triton.repository.write("by-memory", None, tiny_onnx, **given)
    triton.server.load(spec.name)
    yield spec
    triton.server._connection().unload_model(spec.name)
    triton.repository.remove(spec.name, spec.version)


@pytest.fixture
def server(triton):
    server = TritonModelServer(triton.url, timeout_s=30)
    yield server
    server.close()


def mapped(url: str, pid: int) -> set[str]:
    """The regions of process `pid` that Triton has mapped."""
    from tritonclient.grpc import InferenceServerClient

    with InferenceServerClient(url.removeprefix("triton://")) as client:
        listed = client.get_system_shared_memory_status(client_timeout=10)
    return {name for name in listed.regions if name.startswith(PREFIX) and f"-{pid}-" in name}


def left_behind(pid: int) -> list[Path]:
    return [each for each in FILES.glob(f"{PREFIX}-*") if f"-{pid}-" in each.name]


def test_frames_go_by_memory_and_are_answered_as_by_the_wire(triton, server, standing, tiny_onnx):
    before = mapped(triton.url, os.getpid())
    # a name for the same machine that does not say so: it may as well be another one's
    wire = TritonModelServer(triton.url.replace("127.0.0.1", "0.0.0.0"))
    batches = [pictures(1 + number % 5, seed=number) for number in range(12)]
    by_wire = [wire.infer(standing, batch) for batch in batches]
    assert mapped(triton.url, os.getpid()) == before
    flying = [server.submit(standing, batch) for batch in batches]
    for batch, future, same in zip(batches, flying, by_wire, strict=True):
        np.testing.assert_array_equal(future.result(30), same)
        np.testing.assert_allclose(same, expected(tiny_onnx, batch), atol=1e-3)
    own = mapped(triton.url, os.getpid()) - before
    assert 1 <= len(own) <= len(batches)
    assert not left_behind(os.getpid())  # the names are gone while the memory is in use
    for batch in batches:  # one after the other: a place that is free is taken again
        server.infer(standing, batch)
    assert mapped(triton.url, os.getpid()) - before <= own
    wire.close()
    server.close()
    assert mapped(triton.url, os.getpid()) == before


def test_more_than_fits_goes_by_the_wire(triton, server, standing, tiny_onnx, monkeypatch):
    before = mapped(triton.url, os.getpid())
    monkeypatch.setattr(triton_memory, "MOST_BYTES", pictures(2).nbytes)
    batches = [pictures(2, seed=number) for number in range(6)] + [pictures(16)]
    flying = [server.submit(standing, batch) for batch in batches]
    for batch, future in zip(batches, flying, strict=True):
        np.testing.assert_allclose(future.result(30), expected(tiny_onnx, batch), atol=1e-3)
    assert len(mapped(triton.url, os.getpid()) - before) == 1


def test_a_triton_with_memory_of_its_own_gets_the_wire(
    triton, server, standing, tiny_onnx, monkeypatch, tmp_path
):
    """As in a container: what this process writes there, Triton does not find."""
    before = mapped(triton.url, os.getpid())
    monkeypatch.setattr(triton_memory, "FOLDER", tmp_path)
    for seed in range(3):
        batch = pictures(2, seed=seed)
        answer = server.infer(standing, batch)
        np.testing.assert_allclose(answer, expected(tiny_onnx, batch), atol=1e-3)
    assert mapped(triton.url, os.getpid()) == before
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_leaves_is_cleared_by_the_next(triton, standing, server):
    code = (
        "import os, signal, numpy as np\n"
        "from shared.serving.triton_server import TritonModelServer\n"
        f"server = TritonModelServer({triton.url!r}); spec = server.spec({standing.name!r})\n"
        "server.infer(spec, np.zeros((1, 3, 64, 64), np.float32))\n"
        "print(os.getpid(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    pid = int(killed.stdout)
    assert len(mapped(triton.url, pid)) == 1
    assert not left_behind(pid)
    server.infer(standing, pictures(1))
    assert not mapped(triton.url, pid)
    assert mapped(triton.url, os.getpid())  # and of nobody who lives


def test_a_forked_child_has_regions_of_its_own(triton, standing):
    code = (
        "import os, sys, numpy as np\n"
        "from shared.serving.triton_server import TritonModelServer\n"
        f"server = TritonModelServer({triton.url!r}); spec = server.spec({standing.name!r})\n"
        "batch = np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)\n"
        "answer = server.infer(spec, batch)\n"
        "def names():\n"
        "    listed = server._connection().get_system_shared_memory_status().regions\n"
        "    return [name for name in listed if f'-{os.getpid()}-' in name]\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    same = np.array_equal(server.infer(spec, batch), answer)\n"
        "    own = names(); server.close()\n"
        "    os._exit(0 if same and len(own) == 1 else 3)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "same = np.array_equal(server.infer(spec, batch), answer) and len(names()) == 1\n"
        "server.close()\n"
        "sys.exit(code if same else 4)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_region_whose_request_ran_out_of_time_is_never_used_again(
    triton, server, standing, tiny_onnx
):
    server.timeout_s = 0.5
    server.infer(standing, pictures(1))
    before = mapped(triton.url, os.getpid())
    os.kill(triton.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable, match="in time"):
            server.infer(standing, pictures(1, seed=1))
    finally:
        os.kill(triton.process.pid, signal.SIGCONT)
    server.timeout_s = 30
    for seed in range(3):
        batch = pictures(1, seed=seed)
        answer = server.infer(standing, batch)
        np.testing.assert_allclose(answer, expected(tiny_onnx, batch), atol=1e-3)
    assert mapped(triton.url, os.getpid()) - before


def test_a_server_that_started_anew_between_two_requests(triton_venv, tmp_path, tiny_onnx):
    repository = ModelRepository(tmp_path / "models")
    given = {"classes": ("mouse", "fly"), "task": "detect", "image_size": SIZE}
    repository.write("fly", None, tiny_onnx, **given)
    with TritonProcess(triton_venv, repository.root) as process:
        server = TritonModelServer(process.url, timeout_s=20)
        spec, batches = server.spec("fly"), [pictures(2, seed=seed) for seed in range(4)]
        before = [each.result(20) for each in [server.submit(spec, b) for b in batches]]
        old = mapped(process.url, os.getpid())
        process.kill()
        process.start()
        flying = [server.submit(spec, batch) for batch in batches]
        for future, same in zip(flying, before, strict=True):
            np.testing.assert_array_equal(future.result(20), same)
        server.infer(spec, batches[0])
        new = mapped(process.url, os.getpid())
        assert new
        assert not new & old
        server.close()
        process.kill()


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.7", False),
        ("triton", False),
        ("localhost.example.org", False),
    ],
)
def test_only_loopback_is_surely_this_machine(host, same):
    assert is_loopback(host) is same
