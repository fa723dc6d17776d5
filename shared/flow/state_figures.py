"""The figures that are states, not counts: read from the database and the broker when asked.

One process tells them for the whole mesh (the clock, or the gateway at `GET /metrics`). Where
several do, they tell the same: dashboards and alerts take the maximum.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog
from sqlalchemy import func, select

from shared.db.models import Outgoing, StepRun, Task, now
from shared.flow import parking
from shared.flow.states import State
from shared.platform import Platform
from shared.redaction import without_secrets
from shared.settings import Settings
from shared.telemetry import table
from shared.telemetry.exporter import Sample

ANSWER_WITHIN_S = 4.0  # Prometheus itself waits ten by default
KEPT_S = 2.0  # who asks more often gets the same answer again
log = structlog.get_logger()


class StateFigures:
    """Asks every part of the mesh at once; what does not answer in time counts as down."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="figures")
        self._lock = threading.Lock()
        self._asked: dict[str, Future[list[Sample]]] = {}
        self._known: list[Sample] = []
        self._known_at = 0.0

    def __call__(self) -> Sequence[Sample]:
        """The figures now; those that cannot be read are left out."""
        with self._lock:
            if not self._known or time.monotonic() - self._known_at > KEPT_S:
                self._known = list(self._read())
                self._known_at = time.monotonic()
            return self._known

    def _read(self) -> Iterator[Sample]:
        questions: dict[str, Callable[[], list[Sample]]] = {
            "database": self._database,
            "broker": self._broker,
            "storage": self._storage,
        }
        settings = self._platform.settings
        if not settings.model_server.startswith("openvino:"):  # that is each worker's own
            questions["model_server"] = self._model_server
        if settings.cache:
            questions["cache"] = self._cache
        for name, question in questions.items():
            if name not in self._asked or self._asked[name].done():  # else one hangs there still
                self._asked[name] = self._pool.submit(question)
        wait(self._asked.values(), ANSWER_WITHIN_S)
        for name, answer in self._asked.items():
            samples = self._answered(name, answer)
            if samples is not None:
                yield table.DEPENDENCY_UP, (name,), float(bool(samples))
                yield from samples[1:]
        disk = shutil.disk_usage(self._platform.settings.data_dir)
        yield table.DISK_FREE, (), float(disk.free)
        yield table.DISK_SIZE, (), float(disk.total)

    def _answered(self, name: str, answer: Future[list[Sample]]) -> list[Sample] | None:
        """An empty list for no answer, None for a dependency that this process cannot ask."""
        if not answer.done():
            log.warning("figures.dependency.silent", dependency=name, seconds=ANSWER_WITHIN_S)
            return []
        error = answer.exception()
        if error is None:
            return answer.result()
        if isinstance(error, ImportError):
            return None
        log.warning(
            "figures.dependency.failed",
            dependency=name,
            error=without_secrets(f"{type(error).__name__}: {error}"),
        )
        return []

    # --- each answers with a first sample that only says that it answered -------------------------

    def _database(self) -> list[Sample]:
        samples: list[Sample] = [_up("database")]
        with self._platform.reads() as session:
            found = dict(
                session.execute(select(Task.state, func.count()).group_by(Task.state)).all()
            )
            samples += [(table.TASKS, (state,), float(found.get(state, 0))) for state in State]
            open_states = (State.QUEUED, State.RUNNING, State.WAITING)
            steps = (
                select(StepRun.name, StepRun.state, func.count())
                .where(StepRun.state.in_(open_states))
                .group_by(StepRun.name, StepRun.state)
            )
            samples += [(table.STEPS_OPEN, (n, s), float(c)) for n, s, c in session.execute(steps)]
            overdue = (
                select(StepRun.name, func.count())
                .where(StepRun.state == State.RUNNING, StepRun.deadline_at < now())
                .group_by(StepRun.name)
            )
            samples += [(table.STEPS_OVERDUE, (n,), float(c)) for n, c in session.execute(overdue)]
            waiting, oldest, failing = session.execute(
                select(
                    func.count(),
                    func.min(Outgoing.created_at),
                    func.count().filter(Outgoing.tries > 0),
                ).where(Outgoing.published_at.is_(None))
            ).one()
            age_s = 0.0 if oldest is None else max(0.0, (now() - oldest).total_seconds())
            parked = parking.by_queue(session)
        samples += [
            (table.OUTBOX_WAITING, (), float(waiting)),
            (table.OUTBOX_OLDEST, (), age_s),
            (table.OUTBOX_FAILING, (), float(failing)),
        ]
        return samples + [(table.PARKED, (q,), float(n)) for q, n in parked.items()]

    def _broker(self) -> list[Sample]:
        samples: list[Sample] = [_up("broker")]
        for load in self._platform.broker.loads():
            samples.append((table.QUEUE_MESSAGES, (load.name, "pending"), float(load.pending)))
            if load.running is not None:
                samples.append((table.QUEUE_MESSAGES, (load.name, "running"), float(load.running)))
            if load.oldest_s is not None:
                samples.append((table.QUEUE_OLDEST, (load.name,), load.oldest_s))
        return samples

    def _storage(self) -> list[Sample]:
        self._platform.storage.exists("health/none")
        return [_up("storage")]

    def _model_server(self) -> list[Sample]:
        self._platform.model_server().alive()
        return [_up("model_server")]

    def _cache(self) -> list[Sample]:
        ask_cache(self._platform.settings)
        return [_up("cache")]


def ask_cache(settings: Settings) -> None:
    """Ask the Redis of the settings for a sign of life; raises what its library does without one."""
    from redis import Redis

    within = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}
    with Redis.from_url(settings.cache, **within) as cache:
        cache.ping()


def _up(name: str) -> Sample:
    return table.DEPENDENCY_UP, (name,), 1.0
