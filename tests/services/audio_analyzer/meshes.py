"""Whole meshes that talk to each other: each with a door, a worker, and the clock that relays its events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shared.flow import clock
from tests.services.audio_analyzer.questions import Questions, questions_at

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 90.0


@dataclass
class Mesh(Questions):
    """A door with a worker behind it."""

    log: Path

    def until(self, found: Callable[[], Any]) -> Any:
        """What `found()` gives as soon as it gives something."""
        deadline = time.monotonic() + PATIENCE_S
        while not (answer := found()):
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")[-3000:]
            time.sleep(0.05)
        return answer

    def ended(self, job_id: str, language: str = "en", subject: str = "token") -> dict[str, Any]:
        """What ann sees when it is over."""

        def over() -> dict[str, Any] | None:
            seen = self.seen(job_id, language, subject)
            return seen if seen["progress"] == 100 else None

        found: dict[str, Any] = self.until(over)
        return found

    def send(self, line_id: str, sound: bytes, subject: str = "token") -> str:
        """Ann uploads it; the job."""
        file = {"file": ("said.ogg", sound, "audio/ogg")}
        answer = self.ann.post(f"/{subject}s/{line_id}/upload-audio", files=file)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def progress(self, job_id: str) -> list[dict[str, Any]]:
        """Everything that the stream of a comparison says, to its end."""
        path = f"/tokens/analysis-progress/{job_id}"
        with self.ann.stream("GET", path, timeout=httpx.Timeout(PATIENCE_S)) as stream:
            lines = [line.removeprefix("data: ") for line in stream.iter_lines() if "{" in line]
        return [told for line in lines if "progress" in (told := json.loads(line))]


@contextmanager
def mesh_at(folder: Path, **settings: Any) -> Iterator[Mesh]:
    """A mesh over `folder`, with these settings for its door and its worker."""
    folder.mkdir()
    log = folder / "worker.log"
    env = {
        f"ACTVERSE_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in settings.items()
    }
    port = settings.get("gateway", {}).get("port", 0)
    with questions_at(folder, port=port, **settings) as made, _worker(folder, log, env):
        stopped = threading.Event()
        ticking = threading.Thread(target=clock.run, args=(made.platform, stopped))
        ticking.start()
        try:
            yield Mesh(made.door, made.ann, made.nobody, log)
        finally:
            stopped.set()
            ticking.join()


@contextmanager
def _worker(folder: Path, log: Path, settings: dict[str, str]) -> Iterator[None]:
    env = {
        **os.environ,
        **settings,
        "ACTVERSE_DATA_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    argv = [sys.executable, "-m", "shared.flow.worker", "audio_analyzer"]
    with log.open("wb") as file:
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.kill()  # its children end with it; nothing of theirs is wanted any more
        process.wait()
