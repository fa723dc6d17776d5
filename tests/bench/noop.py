"""What the promises of the mesh cost a task that does nothing."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
from tests.bench.worlds import servers as real_servers

ROOT = Path(__file__).resolve().parents[2]
LOOK_EVERY_S = 0.002
LOOK_FROM = 0.6  # of the shortest run so far: each look costs the measured servers a little
REST_S = 0.03  # between two runs: the last events of one are not the next one's
PATIENCE_S = 60.0
GOAL = 1.5
RUNS = 10  # of one side in a round; the median of them counts


class Worker:
    """One worker process on a broker, and where it keeps state, of its own."""

    def __init__(self, folder: Path, kind: str, servers: dict[str, str]) -> None:
        self.folder = folder
        self.kind = kind
        self.servers = servers
        self.settings = Settings(data_dir=folder, **servers)  # type: ignore[arg-type]
        self.platform = wiring.build(self.settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._shortest_s: dict[str, float] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        with (self.folder / "worker.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.noop_service", self.kind],
                cwd=ROOT,
                env={**os.environ, **self._environment()},
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

    def _environment(self) -> dict[str, str]:
        told = {f"ACTVERSE_{name.upper()}": value for name, value in self.servers.items()}
        return {**told, "ACTVERSE_DATA_DIR": str(self.folder)}

    def cpu_s(self) -> float:
        """Processor seconds of the worker and its child so far."""
        assert self._process
        parent = psutil.Process(self._process.pid)
        everyone = (parent, *parent.children(recursive=True))
        return sum(sum(process.cpu_times()[:2]) for process in everyone)

    def _prepare(self) -> None:
        raise NotImplementedError

    def _until(self, done: Callable[[], bool], kind: str, begun: float) -> float:
        """Wait for the end of what has `begun`; how long it took.

        `kind`: what takes about as long each time.
        """
        shortest_s = self._shortest_s.get(kind, 0.0)
        time.sleep(max(0.0, begun + LOOK_FROM * shortest_s - time.perf_counter()))
        while not done():
            if time.perf_counter() > begun + PATIENCE_S:
                log = (self.folder / "worker.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(f"The {self.kind} worker did not answer:\n{log}")
            time.sleep(LOOK_EVERY_S)
        took_s = time.perf_counter() - begun
        self._shortest_s[kind] = min(took_s, shortest_s or took_s)
        return took_s


class MeshWorker(Worker):
    """Runs a pipeline of the mesh: state, outbox, inbox, leases, progress."""

    def __init__(self, folder: Path, servers: dict[str, str]) -> None:
        super().__init__(folder, "step", servers)
        self.pipeline = noop_service.ONE_STEP.name

    def _prepare(self) -> None:
        migrate.upgrade(self.platform.engine)
        self.platform.broker.apply()
        with self.platform.sessions.begin() as session:
            user = User(name="bench")
            session.add(user)
            session.flush()
            self.user_id = user.id
        self._look = states(self.settings.database_url)

    def run(self) -> float:
        """From submitting a task to its state being SUCCEEDED."""
        begun = time.perf_counter()
        task_id = wishes.submit_alone(
            self.platform.sessions,
            self.platform.bus,
            atlas.pipeline(self.pipeline),
            noop_service.NoopOptions(),
            user_id=self.user_id,
        ).id
        ended: list[str] = []

        def done() -> bool:
            ended[:] = [self._look(task_id)]
            return ended[0] in ENDED

        took_s = self._until(done, self.pipeline, begun)
        if ended != [State.SUCCEEDED]:
            raise RuntimeError(f"The task of nothing is {ended[0]}.")
        return took_s


class BareWorker(Worker):
    """Runs a chain of plain Celery tasks."""

    def __init__(self, folder: Path, servers: dict[str, str]) -> None:
        super().__init__(folder, "bare", servers)
        self._app = noop_service.bare_app(self.settings)

    def _prepare(self) -> None:
        self.platform.broker.apply()
        self._stored = results(self.settings)

    def run(self) -> float:
        """From sending the chain to the last result being there."""
        begun = time.perf_counter()
        key = self._app.backend.get_key_for_task(noop_service.bare_chain(self._app)().id).decode()
        return self._until(lambda: self._stored(key), "chain", begun)


def states(database: str) -> Callable[[str], str]:
    """How the state of a task is looked up, for next to nothing."""
    if database.startswith("sqlite"):
        file = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
        lookup: Any = lambda task_id: file.execute(  # noqa: E731
            "SELECT state FROM tasks WHERE id = ?", (task_id,)
        )
    else:
        import psycopg

        server = psycopg.connect(database.replace("+psycopg", ""), autocommit=True)
        lookup = lambda task_id: server.execute(  # noqa: E731
            "SELECT state FROM tasks WHERE id = %s", (task_id,)
        )
    return lambda task_id: str(lookup(task_id).fetchone()[0])


def results(settings: Settings) -> Callable[[str], bool]:
    """Whether Celery has stored a result, looked up for next to nothing."""
    if settings.cache:
        import redis

        server: Any = redis.Redis.from_url(settings.cache)
        return lambda key: bool(server.exists(key))
    file = sqlite3.connect(settings.data_dir / "broker.db", isolation_level=None)
    return lambda key: bool(file.execute("SELECT 1 FROM result WHERE key = ?", (key,)).fetchone())


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """On the broker's file: nine tasks in one step, and nine steps of one task."""
    return compared(folder / "noop", ({}, {}), "the same broker", effort, say)


def measure_on_servers(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """The same on RabbitMQ (quorum queues), PostgreSQL and Redis."""
    place = folder / "servers"
    place.mkdir()
    with real_servers(place) as fresh:
        where = "RabbitMQ's quorum queues (ours with PostgreSQL, both with Redis)"
        return compared(place / "noop", (fresh(), fresh()), where, effort, say)


def rested(worker: Worker) -> float:
    """A run on a quiet mesh."""
    time.sleep(REST_S)
    return worker.run()


def compared(
    folder: Path,
    servers: tuple[dict[str, str], dict[str, str]],
    where: str,
    effort: Effort,
    say: Callable[[str], None],
) -> list[Row]:
    """Two rows; `servers` are the settings of ours and of the bare chain."""
    noop_service.install()
    with (
        MeshWorker(folder / "mesh", servers[0]) as mesh,
        BareWorker(folder / "bare", servers[1]) as bare,
    ):

        def several(worker: Worker, pipeline: str = "") -> float:
            if isinstance(worker, MeshWorker):
                worker.pipeline = pipeline
            return statistics.median(rested(worker) for _ in range(RUNS))

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
            f"chain of {TASKS} on {where}",
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
            f"a pipeline of {TASKS} no-op steps against a bare Celery chain of {TASKS} on {where}",
            "told, no goal",
            f"{nine:.2f}x ({spread(seconds['nine steps'], bare_s)})",
            None,
            f"{statistics.median(seconds['nine steps']) * 1000:.1f} ms",
            told,
            "Between two steps lies an event: outbox, topic, inbox, dispatch, and a second event "
            "for whoever listens.",
        ),
    ]
