from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import wiring
from shared.db.models import Outgoing, StepRun, Task, User
from shared.flow import clock, consumer, ledger, sweeper, wishes
from shared.flow.states import ENDED
from shared.pipelines import atlas
from shared.platform import Platform
from shared.settings import Settings
from tests.servers.worlds import WORLDS, settings_of
from tests.shared.db import prepared
from tests.shared.flow import probe_service

ROOT = Path(__file__).resolve().parents[3]
DUTIES = (clock.Duty(sweeper.sweep, every_s=0.5), *clock.DUTIES[1:])  # tests wait for sweeps


class ProbeMesh:
    """A worker process for the probe, the clock in a thread, and a user."""

    def __init__(self, folder: Path, **wiring_settings: str) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            **{f"ACTVERSE_{name.upper()}": value for name, value in wiring_settings.items()},
            "ACTVERSE_DATA_DIR": str(folder),
            "ACTVERSE_WORKER__CONCURRENCY": '{"probe": 2}',
            "ACTVERSE_WORKER__REPORT_EVERY_S": "0.05",
            "PYTHONPATH": str(ROOT),
        }
        self.platform: Platform = wiring.build(Settings(data_dir=folder, **wiring_settings))
        prepared.upgrade(self.platform.engine)
        self.platform.broker.apply()
        with self.platform.sessions.begin() as session:
            user = User(name="tester")
            session.add(user)
            session.flush()
            self.user_id = user.id
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.stopped = threading.Event()
        self.clock = threading.Thread(target=clock.run, args=(self.platform, self.stopped, DUTIES))
        self.clock.start()

    def start_worker(self) -> subprocess.Popen[bytes]:
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.shared.flow.probe_service"],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(process)
        return process

    def submit(self, **plan: Any) -> str:
        options = probe_service.ProbeOptions(plan={"marks": str(self.marks), **plan})
        with self.platform.sessions.begin() as session:
            return wishes.submit(
                session,
                self.platform.bus,
                atlas.pipeline("probe"),
                options,
                user_id=self.user_id,
            ).id

    def look(self, task_id: str) -> tuple[Task, list[StepRun]]:
        with self.platform.reads() as session:
            return session.get_one(Task, task_id), ledger.latest_runs(session, task_id)

    def wait(self, task_id: str, until: Callable[[Task], bool] | None = None) -> Task:
        done = until or (lambda task: task.state in ENDED)
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            task, _ = self.look(task_id)
            if done(task):
                return task
            time.sleep(0.05)
        log = (self.folder / "worker.log").read_text()[-3000:]
        raise AssertionError(f"{task_id} is {task.state}: {self.look(task_id)[1]}\n{log}")

    def ran(self, task_id: str) -> list[str]:
        file = self.marks / f"{task_id}.log"
        return file.read_text().split() if file.exists() else []

    def dispatch(self, task_id: str) -> None:
        """Take the request of the first step as the worker would: its first work is in the queue."""
        with self.platform.reads() as session:
            name = "EVENT_PROBE_REQUESTED"
            asked = session.query(Outgoing).filter_by(task_id=task_id, name=name).one()
        consumer.handle(self.platform, "probe", asked.name, asked.body)
        with self.platform.celery.connection_for_write() as connection:
            connection.default_channel.queue_purge("probe.events")

    def stop_workers(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.workers.clear()

    def stop(self) -> None:
        self.stopped.set()
        self.clock.join()
        self.stop_workers()
        self.platform.engine.dispose()


@pytest.fixture(scope="module", params=WORLDS)
def mesh(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProbeMesh]:
    """The same flow in both worlds."""
    probe_service.install()
    settings = settings_of(request.param, request)
    running = ProbeMesh(tmp_path_factory.mktemp("mesh"), **settings)
    running.start_worker()
    yield running
    running.stop()
    atlas.PIPELINES.pop("probe")
