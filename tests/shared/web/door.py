"""A gateway for tests: a real server, database and broker in a folder, and no workers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import structlog
import uvicorn

from shared import wiring
from shared.admission.callers import first_key, new_key, user_named
from shared.db.models import StepRun, Task, now
from shared.flow import ledger, wishes
from shared.flow.states import State
from shared.pipelines import atlas
from shared.platform import Platform
from shared.progress.board import publish_progress
from shared.settings import Settings
from shared.web.app import create_app
from shared.web.serve import everybody
from tests.shared.db import prepared

SERVICES = tuple(everybody())
VIDEO_URL = "https://example.org/openfield.mp4"


class SilentModels:
    """A model server that is there and serves nothing."""

    def alive(self) -> bool:
        return True

    def models(self) -> list[Any]:
        return []


@dataclass
class Door:
    """Everything behind it stays within reach of the test."""

    platform: Platform
    url: str
    key: str
    app: Any

    def client(self, user: str | None = None, **more: Any) -> httpx.Client:
        """A client with the key of `user`, made when there is none; the admin by default."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key_of(user)}"},
            timeout=30,
            **more,
        )

    def key_of(self, user: str | None) -> str:
        if user is None:
            return self.key
        with self.platform.sessions.begin() as session:
            return new_key(session, user_named(session, user))

    def user_id(self, user: str) -> str:
        with self.platform.sessions.begin() as session:
            return user_named(session, user).id

    def submit(self, user: str = "ann", pipeline: str = "vision", **options: Any) -> str:
        """A task, as if `user` had sent it."""
        chosen = atlas.pipeline(pipeline)
        with self.platform.sessions.begin() as session:
            task = wishes.submit(
                session,
                self.platform.bus,
                chosen,
                chosen.options(**({"file_path": VIDEO_URL} | options)),
                user_id=user_named(session, user).id,
            )
            return task.id

    def keep(self, key: str, content: bytes) -> str:
        """A stored file."""
        self.platform.storage.local(key).write_bytes(content)
        self.platform.storage.keep(key)
        return key

    # --- a worker's moves, without a worker ---

    def begin(self, task_id: str, step: str | None = None) -> StepRun:
        """The step (by default the first that waits for its turn) runs."""
        with self.platform.sessions.begin() as session:
            run = self._run(session, task_id, step, {State.PENDING, State.QUEUED})
            ledger.move(session, run, {State.PENDING}, State.QUEUED, queued_at=now(), token="t")
            ledger.move(session, run, {State.QUEUED}, State.RUNNING, started_at=now())
            task = session.get_one(Task, task_id)
            task.state, task.started_at = State.RUNNING, now()
            return run

    def progress(self, task_id: str, fraction: float) -> None:
        """The running step is that far."""
        with self.platform.sessions.begin() as session:
            run = self._run(session, task_id, None, {State.RUNNING})
            run.progress = fraction
            publish_progress(session, run)

    def succeed(self, task_id: str, **results: Any) -> None:
        """The running step has succeeded and gave `results`."""
        with self.platform.sessions.begin() as session:
            run = self._run(session, task_id, None, {State.RUNNING})
            session.refresh(run)
            task = session.get_one(Task, task_id)
            step = atlas.PIPELINES[task.pipeline].step(run.name)
            task.context = {**task.context, **results}
            ledger.completed(session, self.platform.bus, run, step, results)

    def fail(self, task_id: str, error: Exception) -> None:
        """The running step has failed."""
        with self.platform.sessions.begin() as session:
            run = self._run(session, task_id, None, {State.RUNNING})
            ledger.failed(session, self.platform.bus, run, error)

    def _run(self, session: Any, task_id: str, step: str | None, states: set[State]) -> StepRun:
        return next(
            r
            for r in ledger.latest_runs(session, task_id)
            if r.name == step or (step is None and r.state in states)
        )

    # --- serving ---

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path, *, port: int = 0, **settings: Any) -> Iterator[Self]:
        """A door over `folder`; closed at the end."""
        made = wiring.build(Settings(data_dir=folder, **settings))
        structlog.configure(processors=[structlog.processors.JSONRenderer(default=str)])
        platform = Platform(**{**vars(made), "model_server": SilentModels})
        prepared.upgrade(platform.engine)
        platform.broker.apply()
        key = first_key(platform)
        app = create_app(platform, SERVICES)
        # named by its protocol, or asyncio leaves Nagle's delay of 40 ms in every answer
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", port))
            port = listening.getsockname()[1]
            server = uvicorn.Server(
                uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
            )
            thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
            thread.start()
            try:
                while not server.started:
                    thread.join(0.01)
                    assert thread.is_alive()
                yield cls(platform, f"http://127.0.0.1:{port}", key, app)
            finally:
                server.should_exit = True
                thread.join(10)
                platform.engine.dispose()
