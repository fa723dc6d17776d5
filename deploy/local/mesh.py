"""The embedded mesh: every process of Actverse on this machine, without any server.

`python -m deploy.local.mesh` keeps it running; `Mesh` is the same for the demonstration and tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import httpx

from deploy.local import label_studio, triton
from deploy.local.flower import LocalFlower
from deploy.local.ports import is_free
from deploy.local.state import STATE_FILE
from deploy.local.supervisor import Supervisor, child_argv
from shared import wiring
from shared.admission.callers import first_key
from shared.db import migrate
from shared.errors import Conflict, Unavailable
from shared.pipelines import atlas
from shared.settings import Settings
from shared.telemetry import exporter

ROOT = Path(__file__).resolve().parents[2]
TRITON_VENV = ROOT / ".venv-triton"
READY_S = 90.0
PORT_S = 2.0


class Mesh:
    """All processes, their ports, and the key to the door.

    Starting is: migrate, make the first key, start Triton and all services at once, wait until the
    gateway says that every dependency answers. One mesh a data folder: a lock sees to it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        port: int | None = None,
        quiet: bool = False,
        flower: bool = False,
    ) -> None:
        self.settings = settings
        self.flower = LocalFlower(settings) if flower else None
        self._figures: Path | None = None
        self.port = port or settings.gateway.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = ""
        self.reason_without_triton: str | None = None
        self._quiet = quiet
        self._lock_file: IO[str] | None = None
        self._triton_port: int | None = None
        data = settings.data_dir.absolute()
        self.supervisor = Supervisor(ROOT, data / "logs", self.say)

    def say(self, text: str) -> None:
        """One line for the person at the terminal."""
        if not self._quiet:
            print(f"[mesh] {text}", flush=True)

    def start(self) -> Self:
        """Start everything and wait until it is ready; raises `Unavailable` with the reason.

        From then on a thread keeps it running.
        """
        self._lock()
        begun = time.monotonic()
        try:
            self._clean_up()  # after a launcher that was killed
            self._wait_for_port()
            self._prepare()
            self._start_programs()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        state = {"url": self.url, "pid": os.getpid(), "triton_port": self._triton_port}
        (self.settings.data_dir / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")
        self.say(f"ready after {time.monotonic() - begun:.1f} s")
        return self

    def _lock(self) -> None:
        data = self.settings.data_dir
        data.mkdir(parents=True, exist_ok=True)
        lock_file = (data / "mesh.lock").open("a")
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock_file.close()
            raise Conflict(
                f"A mesh is already running on {data}; stop it first, or use another "
                "ACTVERSE_DATA_DIR."
            ) from None
        self._lock_file = lock_file

    def _clean_up(self) -> None:
        """Forget the mesh that ran here last, and what a killed Triton of it left behind."""
        state = self.settings.data_dir / STATE_FILE
        with contextlib.suppress(OSError, ValueError):
            port = json.loads(state.read_text(encoding="utf-8")).get("triton_port")
            if port is not None:
                triton.remove_leftovers(port)
        state.unlink(missing_ok=True)

    def _wait_for_port(self) -> None:
        """The gateway of a mesh that was killed a moment ago may not be quite gone."""
        deadline = time.monotonic() + PORT_S
        while not is_free(self.settings.gateway.host, self.port):
            if time.monotonic() > deadline:
                raise Conflict(f"Port {self.port} is in use; choose another: make up PORT=9000.")
            time.sleep(0.05)

    def _prepare(self) -> None:
        platform = wiring.build(self.settings)
        migrate.upgrade(platform.engine)
        platform.broker.apply()
        self.key = first_key(platform)
        platform.engine.dispose()

    def _start_programs(self) -> None:
        env = {
            "ACTVERSE_GATEWAY__PORT": str(self.port),
            "ACTVERSE_MODEL_SERVER": self._start_triton(),
            "ACTVERSE_METRICS__FOLDER": str(self._shared_figures()),
            "ACTVERSE_METRICS__PORT": "0",  # the clock serves those of all
            "ACTVERSE_WORKER__TASK_EVENTS": str(self._told_by_workers()),
            "YOLO_OFFLINE": "1",
            "ORT_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": str(ROOT),
            **label_studio.wired(self.settings),
        }
        self.supervisor.add("gateway", ["shared.web.serve"], env)
        for service in atlas.services():
            worker = ["shared.flow.worker", service]
            # gives its work back at once, uncounted; the next one goes on from there
            self.supervisor.add(service, worker, env, ends_by=signal.SIGQUIT)
        self.supervisor.add("beat", ["shared.flow.beat"], env)
        clock_env = {**env, "ACTVERSE_METRICS__PORT": str(self.settings.metrics.port)}
        self.supervisor.add("clock", ["shared.flow.clock"], clock_env)
        if self.flower is not None:
            self.supervisor.add("flower", ["shared.flow.flower"], {**env, **self.flower.env})
        self._install_global_model({**os.environ, **env})

    def _shared_figures(self) -> Path:
        """Where all processes count, so that the gateway's `GET /metrics` tells of every one."""
        if self._figures is None:
            self._figures = exporter.own_folder()
        return self._figures

    def _told_by_workers(self) -> bool:
        return self.flower is not None or self.settings.worker.task_events

    def _install_global_model(self, env: dict[str, str]) -> None:
        """While the services start; whoever asks for the model sooner tries again."""
        argv = child_argv(["services.model_deployer.install"])
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"The global model could not be installed: {done.stderr[-2000:]}")

    def _start_triton(self) -> str:
        """Start Triton; its address, or that of OpenVINO in the workers when it cannot run."""
        if "model_server" in self.settings.model_fields_set:  # the operator's own
            return self.settings.model_server
        repository = self.settings.model.repository.absolute()
        self.reason_without_triton = triton.available(TRITON_VENV)
        if self.reason_without_triton is not None:
            self.say(f"OpenVINO serves the models: {self.reason_without_triton}")
            return f"openvino:{repository}?reason={quote(self.reason_without_triton)}"
        ports = triton.free_ports(3)
        argv, env = triton.command(TRITON_VENV, repository, *ports)
        # killed outright, it would leave its model processes behind
        self.supervisor.add("triton", argv[2:], env, dies_by=signal.SIGTERM)
        self._triton_port = ports[1]
        return f"triton://127.0.0.1:{ports[1]}"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        key = {"Authorization": f"Bearer {self.key}"}
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health", headers=key, timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise Unavailable(
            f"The mesh was not ready within {READY_S:.0f} s; the logs are in "
            f"{self.settings.data_dir / 'logs'}."
        )

    def stop(self) -> None:
        """End every process and give the data folder free."""
        if self._lock_file is None:
            return
        self.supervisor.stop()
        self._clean_up()
        if self._figures is not None:
            shutil.rmtree(self._figures, ignore_errors=True)
            self._figures = None
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


def main() -> int:
    """Keep a mesh running until Ctrl-C or SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    mesh = Mesh(Settings(), flower="--flower" in sys.argv[1:])
    try:
        mesh.start()
        key_file = mesh.settings.data_dir / "api_key"
        print(f"\n  URL      {mesh.url}   (documentation: {mesh.url}/docs)")
        print(f"  API key  {mesh.key}   (kept in {key_file})")
        if mesh.flower is not None:
            print(f"  Flower   {mesh.flower.told}")
        print("  Stop with Ctrl-C.\n", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        mesh.say("stopping ...")
    except (Conflict, Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must leave nothing behind
        mesh.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
