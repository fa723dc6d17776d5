"""Where progress is stored while work goes on, and where cancellation is noticed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from shared.db.base import table
from shared.db.direct import Direct
from shared.db.models import Epoch, StepRun, Task, TaskEvent, WorkRun, now
from shared.db.notes import NOTE
from shared.db.outage import outage
from shared.db.prepared import Prepared
from shared.errors import Cancelled
from shared.progress.live import Live, NothingLive
from shared.telemetry.table import EPOCHS

STORE_EVERY_S = 5.0  # what watchers see live is stored for those who come later
log = structlog.get_logger()


class StoredReport:
    """The `Report` that a running task gets: throttled writes, heartbeat, cancellation.

    `weights` are the shares of the step's tasks; the step's own bar is their weighted mean.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        *,
        step_run_id: int,
        token: str,
        task: str,
        weights: dict[str, float],
        every_s: float,
        lease_s: float,
        live: Live | None = None,
    ) -> None:
        self._sessions = sessions
        self._live = live or NothingLive()
        self._stored_at = -math.inf
        self._step_run_id = step_run_id
        self._token = token
        self._task = task
        self._weights = weights
        self._every_s = every_s
        self._lease_s = lease_s
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, fraction: float, message: str = "", **figures: float) -> None:
        """Store progress if the last time is long enough ago, or an epoch or the work has ended."""
        with self._lock:
            due = time.monotonic() - self._last >= self._every_s
            if not due and "epoch" not in figures and fraction < 1.0:
                return
            self._last = time.monotonic()
            try:
                self._tell(min(max(fraction, 0.0), 1.0), message, figures)
            except DBAPIError as error:  # the work can go on; only watchers are a little behind
                if outage(error) is None:
                    raise
                log.warning("progress.not_stored", error=str(error.orig))

    def heartbeat(self) -> None:
        """Keep the lease of a task that has nothing to report yet."""
        with self._sessions.begin() as session:
            work = session.get(WorkRun, (self._step_run_id, self._task))
            if work is not None and work.held_until is not None:
                work.held_until = now() + timedelta(seconds=self._lease_s)

    def _tell(self, fraction: float, message: str, figures: dict[str, float]) -> None:
        """Show it live and store it now and then; store it each time where nothing is live."""
        lately = time.monotonic() - self._stored_at < STORE_EVERY_S
        if (
            lately
            and fraction < 1.0
            and "epoch" not in figures
            and self._show(fraction, message, figures)
        ):
            return
        self._store(fraction, message, figures)
        self._stored_at = time.monotonic()

    def _show(self, fraction: float, message: str, figures: dict[str, float]) -> bool:
        if isinstance(self._live, NothingLive):
            return False
        with self._sessions() as session:
            run, _ = self._current(session)
            note = {
                "progress": step_progress(
                    Direct(session.connection()), run.id, self._weights, {self._task: fraction}
                ),
                "message": message or run.message,
                "figures": {**run.figures, **figures},
                "attempt": run.attempt,
            }
            return self._live.show(run.task_id, run.name, note)

    def _current(self, session: Session) -> tuple[StepRun, Task]:
        """The step run and its task; raises `Cancelled` when the work is not wanted any more."""
        run = session.get_one(StepRun, self._step_run_id)
        task = session.get_one(Task, run.task_id)
        if task.cancel_requested_at is not None:
            raise Cancelled(f"Task {task.id} was cancelled.")
        if run.token != self._token or run.state != "RUNNING":  # overdue, or given up
            raise Cancelled(f"Step {run.name} of task {task.id} has ended without this work.")
        return run, task

    def _store(self, fraction: float, message: str, figures: dict[str, float]) -> None:
        with self._sessions.begin() as session:
            run, task = self._current(session)
            work = session.get_one(WorkRun, (run.id, self._task))
            work.progress = fraction
            work.held_until = now() + timedelta(seconds=self._lease_s)
            session.flush()
            run.progress = step_progress(Direct(session.connection()), run.id, self._weights)
            run.message = message or run.message
            if figures:
                run.figures = {**run.figures, **figures}
            if "epoch" in figures:
                EPOCHS.add()
                session.merge(
                    Epoch(
                        task_id=task.id,
                        epoch=int(figures["epoch"]),
                        epochs=int(figures.get("epochs", 0)),
                        figures=figures,
                    )
                )
            publish_progress(session, run)


_RUN, _WORK, _EVENT = table(StepRun), table(WorkRun), table(TaskEvent)
_PARTS = Prepared(
    select(_WORK.c.task, _WORK.c.progress).where(_WORK.c.step_run_id == bindparam("run"))
)
_ADVANCE = Prepared(
    update(_RUN)
    .where(_RUN.c.id == bindparam("run"), _RUN.c.state == "RUNNING")
    .values(progress=bindparam("fraction"))
    .returning(
        _RUN.c.task_id, _RUN.c.name, _RUN.c.attempt, _RUN.c.progress, _RUN.c.message, _RUN.c.figures
    )
)
_FORGET = Prepared(
    delete(_EVENT).where(
        _EVENT.c.task_id == bindparam("task"),
        _EVENT.c.step == bindparam("step"),
        _EVENT.c.kind == "progress",
    )
)


def step_progress(
    direct: Direct,
    step_run_id: int,
    weights: dict[str, float],
    newer: Mapping[str, float] = MappingProxyType({}),
) -> float:
    """The weighted mean of the tasks' own progress, 0..1; `newer` than what is stored, by task."""
    rows = direct.run(_PARTS, run=step_run_id).all
    parts = {**{row.task: row.progress for row in rows}, **newer}
    done = sum(weights.get(task, 0.0) * progress for task, progress in parts.items())
    return round(done / (sum(weights.values()) or 1.0), 4)


def advance(direct: Direct, step_run_id: int, weights: dict[str, float]) -> bool:
    """Move the bar of a running step to where its tasks are; False when it does not run any more."""
    fraction = step_progress(direct, step_run_id, weights)
    run = direct.run(_ADVANCE, run=step_run_id, fraction=fraction).first
    if run is None:
        return False
    _publish(direct, run)
    return True


def publish_progress(session: Session, run: StepRun) -> None:
    """Replace the step's progress note, so that the stream stays short however long the work."""
    _publish(Direct(session.connection()), run)


def _publish(direct: Direct, run: Any) -> None:
    """`run` is a StepRun, or a row with the same names."""
    data = {
        "progress": run.progress,
        "message": run.message,
        "figures": run.figures,
        "attempt": run.attempt,
    }
    which = {"task": run.task_id, "step": run.name}
    direct.write_last(
        run.task_id,
        (_FORGET, which),
        (NOTE, {**which, "kind": "progress", "data": data, "at": now()}),
    )
