"""What the promises of the mesh cost a task that does nothing."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from shared import wiring
from shared.db import migrate
from shared.db.models import User
from shared.flow import wishes
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.settings import Settings
from tests.bench import noop_service
from tests.bench.noop_service import TASKS
from tests.bench.rows import Effort, Row, interleaved, ratio, spread

ROOT = Path(__file__).resolve().parents[2]
LOOK_EVERY_S = 0.001
PATIENCE_S = 60.0
GOAL = 1.5
RUNS = 10  # of one side in a round; the median of them counts


class Worker:
    """One worker process on a broker file of its own."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        self.settings = Settings(data_dir=folder)
        self.platform = wiring.build(self.settings)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        with (self.folder / "worker.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.noop_service", self.kind],
                cwd=ROOT,
                env={**os.environ, "ACTVERSE_DATA_DIR": str(self.folder)},
                stdout=log,
                stderr=log,
            )
        self.run()  # the first is slow: imports, connections, caches
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.platform.engine.dispose()

    def run(self) -> float:
        """Run the nine tasks once; seconds from asking to the outcome being in the file."""
        raise NotImplementedError

    def cpu_s(self) -> float:
        """Processor seconds of the worker and its child so far."""
        assert self._process
        parent = psutil.Process(self._process.pid)
        everyone = (parent, *parent.children(recursive=True))
        return sum(sum(process.cpu_times()[:2]) for process in everyone)

    def _prepare(self) -> None:
        raise NotImplementedError

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > deadline:
                log = (self.folder / "worker.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(f"The {self.kind} worker did not answer:\n{log}")
            time.sleep(LOOK_EVERY_S)


class MeshWorker(Worker):
    """Runs a pipeline of the mesh: state, outbox, inbox, leases, progress."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "step")
        self.pipeline = noop_service.ONE_STEP.name

    def _prepare(self) -> None:
        migrate.upgrade(self.platform.engine)
        wiring.declare_topology(self.platform)
        with self.platform.sessions.begin() as session:
            user = User(name="bench")
            session.add(user)
            session.flush()
            self.user_id = user.id

    def run(self) -> float:
        """From submitting a task to its state being SUCCEEDED."""
        begun = time.perf_counter()
        with self.platform.sessions.begin() as session:
            task_id = wishes.submit(
                session,
                self.platform.bus,
                atlas.pipeline(self.pipeline),
                noop_service.NoopOptions(),
                user_id=self.user_id,
            ).id
        with closing(sqlite3.connect(self.folder / "actverse.db")) as file:
            ended: list[str] = []

            def done() -> bool:
                (state,) = file.execute(
                    "SELECT state FROM tasks WHERE id = ?", (task_id,)
                ).fetchone()
                ended[:] = [state]
                return state in ENDED

            self._until(done)
        if ended != [State.SUCCEEDED]:
            raise RuntimeError(f"The task of nothing is {ended[0]}.")
        return time.perf_counter() - begun


class BareWorker(Worker):
    """Runs a chain of plain Celery tasks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "bare")
        self._app = noop_service.bare_app(self.settings)

    def _prepare(self) -> None:
        wiring.declare_topology(self.platform)

    def run(self) -> float:
        """From sending the chain to the last result being there."""
        begun = time.perf_counter()
        key = self._app.backend.get_key_for_task(noop_service.bare_chain(self._app)().id).decode()
        with closing(sqlite3.connect(self.folder / "broker.db")) as file:
            self._until(
                lambda: (
                    file.execute("SELECT 1 FROM result WHERE key = ?", (key,)).fetchone()
                    is not None
                )
            )
        return time.perf_counter() - begun


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Two rows: nine tasks in one step, and nine steps of one task."""
    noop_service.install()
    with MeshWorker(folder / "noop_mesh") as mesh, BareWorker(folder / "noop_bare") as bare:

        def several(worker: Worker, pipeline: str = "") -> float:
            if isinstance(worker, MeshWorker):
                worker.pipeline = pipeline
            return statistics.median(worker.run() for _ in range(RUNS))

        sides = {
            "one step": lambda: several(mesh, noop_service.ONE_STEP.name),
            "bare": lambda: several(bare),
            "nine steps": lambda: several(mesh, noop_service.NINE_STEPS.name),
        }
        for side in sides.values():
            side()
        seconds = interleaved(effort.turns(15), sides, say)
    bare_s = seconds["bare"]
    told = f"{statistics.median(bare_s) * 1000:.1f} ms"
    one, nine = (ratio(seconds[side], bare_s) for side in ("one step", "nine steps"))
    each = (statistics.median(seconds["one step"]) - statistics.median(bare_s)) / TASKS
    return [
        Row(
            f"a step of {TASKS} no-op tasks (state, outbox, inbox, progress) against a bare Celery "
            f"chain of {TASKS} on the same broker",
            f"at most {GOAL}x the time",
            f"{one:.2f}x ({spread(seconds['one step'], bare_s)})",
            one <= GOAL,
            f"{statistics.median(seconds['one step']) * 1000:.1f} ms",
            told,
            f"From asking to the outcome being stored; {each * 1000:.1f} ms more a task. The bare "
            "chain is Celery as it comes, results stored; the step stores its own in the database. "
            "Progress is stored at most every half second, as of any work.",
        ),
        Row(
            f"a pipeline of {TASKS} no-op steps against the same bare chain",
            "told, no goal",
            f"{nine:.2f}x ({spread(seconds['nine steps'], bare_s)})",
            None,
            f"{statistics.median(seconds['nine steps']) * 1000:.1f} ms",
            told,
            "Between two steps lies an event: outbox, topic, inbox, dispatch, and a second event "
            "for whoever listens.",
        ),
    ]
