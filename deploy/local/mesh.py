"""The embedded mesh: every process of Actverse on this machine, without any server.

`python -m deploy.local.mesh` keeps it running; `Mesh` is the same for the demonstration and tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from deploy.local import triton
from deploy.local.supervisor import Supervisor
from shared import wiring
from shared.db import migrate
from shared.errors import Conflict, Unavailable
from shared.pipelines import atlas
from shared.settings import Settings
from shared.web.access import first_key

ROOT = Path(__file__).resolve().parents[2]
TRITON_VENV = ROOT / ".venv-triton"
READY_S = 90.0
STATE_FILE = "mesh.json"


class Mesh:
    """All processes, their ports, and the key to the door.

    Starting is: migrate, make the first key, start Triton and all services at once, wait until the
    gateway says that every dependency answers. One mesh a data folder: a lock sees to it.
    """

    def __init__(self, settings: Settings, *, port: int | None = None, quiet: bool = False) -> None:
        self.settings = settings
        self.port = port or settings.gateway.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = ""
        self.reason_without_triton: str | None = None
        self._quiet = quiet
        self._lock_file = None
        data = settings.data_dir.absolute()
        self.supervisor = Supervisor(ROOT, data / "logs", self.say)

    def say(self, text: str) -> None:
        """One line for the person at the terminal."""
        if not self._quiet:
            print(f"[mesh] {text}", flush=True)

    def start(self) -> Self:
        """Start everything and wait until it is ready; raises `Unavailable` with the reason."""
        self._lock()
        begun = time.monotonic()
        try:
            self._prepare()
            self._start_programs()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        state = {"url": self.url, "pid": os.getpid()}
        (self.settings.data_dir / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")
        self.say(f"ready after {time.monotonic() - begun:.1f} s")
        return self

    def _lock(self) -> None:
        data = self.settings.data_dir
        data.mkdir(parents=True, exist_ok=True)
        self._lock_file = (data / "mesh.lock").open("a")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"A mesh is already running on {data}; stop it first, or use another "
                "ACTVERSE_DATA_DIR."
            ) from None
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.settings.gateway.host, self.port))
            except OSError:
                raise Conflict(
                    f"Port {self.port} is in use; choose another: make up PORT=9000."
                ) from None

    def _prepare(self) -> None:
        platform = wiring.build(self.settings)
        migrate.upgrade(platform.engine)
        wiring.declare_topology(platform)
        self.key = first_key(platform)
        platform.engine.dispose()

    def _start_programs(self) -> None:
        python = sys.executable
        env = {
            "ACTVERSE_GATEWAY__PORT": str(self.port),
            "ACTVERSE_MODEL_SERVER": self._start_triton(),
            "YOLO_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.supervisor.add(
            "gateway", [python, "-m", "shared.web.serve", "api_gateway", *_with_api()], env
        )
        for service in atlas.services():
            self.supervisor.add(service, [python, "-m", "shared.flow.worker", service], env)
        self.supervisor.add("beat", [python, "-m", "shared.flow.beat"], env)
        self.supervisor.add("clock", [python, "-m", "shared.flow.clock"], env)
        self._install_global_model({**os.environ, **env})

    def _install_global_model(self, env: dict[str, str]) -> None:
        """While the services start; whoever asks for the model sooner tries again."""
        argv = [sys.executable, "-m", "services.model_deployer.install"]
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"The global model could not be installed: {done.stderr[-2000:]}")

    def _start_triton(self) -> str:
        """Start Triton; its address, or that of ONNX Runtime in the workers when it cannot run."""
        if os.environ.get("ACTVERSE_MODEL_SERVER"):
            return self.settings.model_server
        repository = self.settings.model.repository.absolute()
        self.reason_without_triton = triton.available(TRITON_VENV)
        if self.reason_without_triton is not None:
            self.say(f"no Triton: {self.reason_without_triton}")
            return f"onnxruntime:{repository}"
        ports = triton.free_ports(3)
        argv, env = triton.command(TRITON_VENV, repository, *ports)
        self.supervisor.add("triton", argv, env)
        return f"triton://127.0.0.1:{ports[1]}"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            self.supervisor.watch()
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise Unavailable(
            f"The mesh was not ready within {READY_S:.0f} s; the logs are in "
            f"{self.settings.data_dir / 'logs'}."
        )

    def watch(self, stopped: threading.Event) -> None:
        """Keep everything running until `stopped`."""
        while not stopped.wait(0.5):
            self.supervisor.watch()

    def stop(self) -> None:
        """End every process and give the data folder free."""
        self.supervisor.stop()
        (self.settings.data_dir / STATE_FILE).unlink(missing_ok=True)
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _with_api() -> list[str]:
    """The services that have routes of their own, which the gateway forwards."""
    return [s for s in atlas.services() if (ROOT / "services" / s / "api.py").exists()]


def main() -> int:
    """Keep a mesh running until Ctrl-C or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    mesh = Mesh(Settings())
    try:
        mesh.start()
    except (Conflict, Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    key_file = mesh.settings.data_dir / "api_key"
    print(f"\n  URL      {mesh.url}   (documentation: {mesh.url}/docs)")
    print(f"  API key  {mesh.key}   (kept in {key_file})")
    print("  Stop with Ctrl-C.\n", flush=True)
    try:
        mesh.watch(stopped)
    finally:
        mesh.say("stopping ...")
        mesh.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
