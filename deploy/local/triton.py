"""Triton without Docker: the real `tritonserver` of the `nvidia-pytriton` wheel, from a venv of its own.

The wheel brings the server with its Python backend only, which is why the embedded repository holds
a `model.py` beside every `model.onnx`. Four traps, each handled here:

- the venv must hold numpy < 2: with numpy 2 every answer arrives with the right shape and no bytes;
- the backend looks for its stub process beside itself, the wheel keeps it elsewhere: we copy it;
- the stub finds its packages through the `python3` that is first on PATH (PYTHONPATH is ignored);
- the stub needs `libpython3.11.so`, which only the interpreter's own LIBDIR may have.

The server listens on 127.0.0.1 only: its model control API is not for strangers.

    python -m deploy.local.triton VENV REPOSITORY HTTP_PORT GRPC_PORT METRICS_PORT

becomes the server (exec, so the process id stays). Which models it loads is read at that moment, so
a supervisor that starts it again after a crash gets the same models back without asking anybody.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.triton_wheel import available, find_wheel, put_stub
from shared.errors import Unavailable
from shared.serving.repository import ModelRepository

__all__ = [
    "TritonProcess",
    "available",
    "become",
    "command",
    "free_ports",
    "remove_leftovers",
    "wait_until_ready",
]

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton's Python backend keeps its regions
REGION = "actverse-triton-{}-"  # by gRPC port: no other server of this machine has the same
READY_S = 60.0  # a cold disk needs some 10 s, a warm one 1-3 s
EXIT_S = 5  # how long Triton may finish requests in flight when it is told to end


def command(
    venv: Path, repository: Path, http_port: int, grpc_port: int, metrics_port: int
) -> tuple[list[str], dict[str, str]]:
    """The program and environment that become Triton; may be started again any number of times."""
    argv = [sys.executable, "-m", "deploy.local.triton", str(venv.absolute())]
    argv += [str(repository.absolute()), *map(str, (http_port, grpc_port, metrics_port))]
    return argv, {**os.environ, "PYTHONPATH": str(ROOT)}


def become(venv: Path, repository: Path, ports: tuple[int, int, int]) -> None:
    """Replace this process by tritonserver; returns only by raising `Unavailable`."""
    reason = available(venv)
    wheel = find_wheel(venv)
    if reason or wheel is None:
        raise Unavailable(reason or f"The Python in {venv} does not run.")
    put_stub(wheel)
    repository.mkdir(parents=True, exist_ok=True)
    http_port, grpc_port, metrics_port = map(str, ports)
    _refuse_taken(ports)
    remove_leftovers(ports[1])
    argv = [str(wheel.server), f"--model-repository={repository}"]
    argv += [f"--backend-directory={wheel.backends}", "--model-control-mode=explicit"]
    models = ModelRepository(repository, "python")
    models.renew_programs()
    argv += [f"--load-model={name}" for name in models.to_load()]
    # one broken model must not keep the others from being served
    argv += ["--exit-on-error=false", "--strict-readiness=false", f"--exit-timeout-secs={EXIT_S}"]
    argv += ["--disable-auto-complete-config", "--log-info=false"]
    for door, port in (("http", http_port), ("grpc", grpc_port), ("metrics", metrics_port)):
        argv += [f"--{door}-address={HOST}", f"--{door}-port={port}"]
    # idle cost: fewer threads, and no polling of processor or graphics card
    argv += ["--http-thread-count=2", "--allow-cpu-metrics=false", "--allow-gpu-metrics=false"]
    argv += ["--metrics-interval-ms=60000"]
    argv += [f"--backend-config=python,shm-region-prefix-name={REGION.format(grpc_port)}"]
    os.execve(wheel.server, argv, wheel.environment(venv))  # noqa: S606 - no shell wanted


def remove_leftovers(grpc_port: int) -> None:
    """End what a killed server on this port left behind: its model processes and their regions.

    A model process that waits for a request when its server is killed may wait for ever. Only
    those whose server is gone are ended.
    """
    region = REGION.format(grpc_port)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to see
            if region not in (process / "cmdline").read_text(errors="replace"):
                continue
            if (process / "comm").read_text().startswith("triton_python_b") and _orphaned(process):
                os.kill(int(process.name), signal.SIGKILL)
    for left in SHARED_MEMORY.glob(f"{region}*"):
        left.unlink(missing_ok=True)


def _orphaned(process: Path) -> bool:
    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
    try:
        return Path(f"/proc/{parent}/comm").read_text().strip() != "tritonserver"
    except FileNotFoundError:
        return True


def _refuse_taken(ports: tuple[int, int, int]) -> None:
    """Raise `Unavailable` when somebody listens on one of `ports`: maybe a mesh that already runs."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise Unavailable(
                    f"Triton cannot use port {port} ({error.strerror}); end the program that has it."
                ) from error


def free_ports(count: int) -> list[int]:
    """Ports that are free now; somebody else may take one before it is used."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class TritonProcess:
    """A private Triton for tests and tools: free ports, ready when entered, gone when left.

    It dies with the process that started it, however that ends. `kill()` and `start()` play a crash
    and the supervisor that starts it again on the same ports.
    """

    def __init__(self, venv: Path, repository: Path, log: Path | None = None) -> None:
        self.venv = venv
        self.repository = repository
        self.log = log or repository.parent / "triton.log"
        self.http_port, self.grpc_port, self.metrics_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `TritonModelServer` takes."""
        return f"triton://{HOST}:{self.grpc_port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise Unavailable("This Triton is not running; call start().")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers; raises `Unavailable` with the end of its log."""
        argv, env = command(
            self.venv, self.repository, self.http_port, self.grpc_port, self.metrics_port
        )
        argv.append("--die-with-parent")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
        if not wait_until_ready(self.http_port, READY_S, self._process):
            self.stop()
            end = self.log.read_text(errors="replace")[-2000:]
            raise Unavailable(f"Triton did not become ready within {READY_S:.0f} s:\n{end}")

    def stop(self) -> None:
        """Ask it to end, then make it end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(EXIT_S + 5)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None
        remove_leftovers(self.grpc_port)

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def wait_until_ready(
    http_port: int, timeout_s: float, process: subprocess.Popen[bytes] | None = None
) -> bool:
    """Whether Triton answered `ready` in time; gives up at once when `process` has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{http_port}/v2/health/ready", timeout=2
            ) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    return False


def _die_with_parent() -> None:
    """Ask Linux for SIGTERM when our parent ends; survives exec."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit(1)


def main() -> None:
    """Read the command line and become Triton."""
    parser = argparse.ArgumentParser(description="Become the embedded Triton server.")
    parser.add_argument("venv", type=Path)
    parser.add_argument("repository", type=Path)
    parser.add_argument("ports", type=int, nargs=3, metavar="HTTP GRPC METRICS")
    parser.add_argument("--die-with-parent", action="store_true")
    given = parser.parse_args()
    if given.die_with_parent:
        _die_with_parent()
    http_port, grpc_port, metrics_port = given.ports
    try:
        become(given.venv, given.repository, (http_port, grpc_port, metrics_port))
    except Unavailable as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
