"""A whole mesh for speech: a real door, a real worker with the real scorer, and the clock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from shared.flow import clock, sweeper
from tests.bench.worlds import running
from tests.services.audio_analyzer import sounds
from tests.shared.web.door import Door

ROOT = Path(__file__).resolve().parents[3]
DUTIES = (clock.Duty(sweeper.sweep, every_s=0.5), *clock.DUTIES[1:])
PATIENCE_S = 90.0
CHILD = "services.audio_analyzer.engines.child_main"


@dataclass
class SpeechWorld:
    """The door with a worker behind it, and two lines that can be compared with."""

    door: Door
    ann: httpx.Client
    worker: psutil.Process
    log: Path
    token: str = ""
    script: str = ""

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, **settings: Any) -> Iterator[Self]:
        """Everything is started, and the takes are prepared by the pipeline itself."""
        with Door.opened(folder, **settings) as door, _worker(folder, settings) as worker:
            stopped = threading.Event()
            ticking = threading.Thread(target=clock.run, args=(door.platform, stopped, DUTIES))
            ticking.start()
            try:
                with door.client("ann") as ann:
                    world = cls(door, ann, worker, folder / "worker.log")
                    world._fill()
                    yield world
            finally:
                stopped.set()
                ticking.join()

    def _fill(self) -> None:
        with self.door.client() as admin:
            actor = admin.post("/actors", json={"name": "Slt"}).json()["id"]
            told = {"actor_id": actor, "film": "The sea", "text": sounds.line("sea")}
            self.token = admin.post("/tokens", json=told).json()["id"]
            told = {"title": "The king", "text": sounds.line("king")}
            self.script = admin.post("/scripts", json=told).json()["id"]
            lines = {f"/tokens/{self.token}": "sea_actor", f"/scripts/{self.script}": "king_actor"}
            for path, name in lines.items():
                file = {"file": ("take.ogg", sounds.sample(name), "audio/ogg")}
                assert admin.put(f"{path}/audio", files=file).status_code == 202
            for path in lines:
                found = self.until(lambda p=path: _unless_preparing(admin.get(p).json()))
                assert found["state"] == "READY", found

    def until(self, found: Any) -> Any:
        """What `found()` gives as soon as it gives something."""
        deadline = time.monotonic() + PATIENCE_S
        while not (answer := found()):
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")[-3000:]
            time.sleep(0.1)
        return answer

    def send(self, sound: bytes, kind: str = "tokens", name: str = "said") -> str:
        """Upload it; the job."""
        line_id = self.token if kind == "tokens" else self.script
        file = {"file": (name, sound, "application/octet-stream")}
        answer = self.ann.post(f"/{kind}/{line_id}/upload-audio", files=file)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def look(self, job: str, kind: str = "tokens", language: str = "en") -> dict[str, Any]:
        """How far it is."""
        headers = {"Accept-Language": language}
        answer = self.ann.get(f"/{kind}/analysis-result/{job}", headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, job: str, kind: str = "tokens", language: str = "en") -> dict[str, Any]:
        """The same, once it is over."""

        def over() -> dict[str, Any] | None:
            found = self.look(job, kind, language)
            return found if found["progress"] == 100 else None

        found: dict[str, Any] = self.until(over)
        return found

    def scorers(self) -> list[psutil.Process]:
        """The processes that compare."""
        return [p for p in self.worker.children(recursive=True) if CHILD in _command(p)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _unless_preparing(line: dict[str, Any]) -> dict[str, Any] | None:
    return None if line["state"] == "PREPARING" else line


def _told(setting: Any) -> str:
    return setting if isinstance(setting, str) else json.dumps(setting)


def _worker(folder: Path, settings: dict[str, Any]) -> AbstractContextManager[psutil.Process]:
    env = {
        **{f"ACTVERSE_{name.upper()}": _told(value) for name, value in settings.items()},
        "ACTVERSE_DATA_DIR": str(folder),
        "ACTVERSE_WORKER__CONCURRENCY": '{"audio_analyzer": 1}',  # one scorer to wait for
        "ACTVERSE_WORKER__REPORT_EVERY_S": "0.05",
        "PYTHONPATH": str(ROOT),
    }
    return running(["-m", "shared.flow.worker", "audio_analyzer"], env, folder / "worker.log")
