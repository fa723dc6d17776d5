"""Where progress is stored while work goes on, and where cancellation is noticed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from shared.db.models import Epoch, StepRun, Task, TaskEvent, WorkRun, now
from shared.errors import Cancelled


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
    ) -> None:
        self._sessions = sessions
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
            self._store(min(max(fraction, 0.0), 1.0), message, figures)

    def heartbeat(self) -> None:
        """Keep the lease of a task that has nothing to report yet."""
        with self._sessions.begin() as session:
            work = session.get(WorkRun, (self._step_run_id, self._task))
            if work is not None and work.held_until is not None:
                work.held_until = now() + timedelta(seconds=self._lease_s)

    def _store(self, fraction: float, message: str, figures: dict[str, float]) -> None:
        with self._sessions.begin() as session:
            run = session.get_one(StepRun, self._step_run_id)
            task = session.get_one(Task, run.task_id)
            if task.cancel_requested_at is not None or run.token != self._token:
                raise Cancelled(f"Task {task.id} was cancelled.")
            work = session.get_one(WorkRun, (run.id, self._task))
            work.progress = fraction
            work.held_until = now() + timedelta(seconds=self._lease_s)
            session.flush()
            run.progress = step_progress(session, run.id, self._weights)
            run.message = message or run.message
            if figures:
                run.figures = {**run.figures, **figures}
            if "epoch" in figures:
                session.merge(
                    Epoch(
                        task_id=task.id,
                        epoch=int(figures["epoch"]),
                        epochs=int(figures.get("epochs", 0)),
                        figures=figures,
                    )
                )
            publish_progress(session, run)


def step_progress(session: Session, step_run_id: int, weights: dict[str, float]) -> float:
    """The weighted mean of the tasks' own progress, 0..1."""
    rows = session.execute(
        select(WorkRun.task, WorkRun.progress).where(WorkRun.step_run_id == step_run_id)
    )
    done = sum(weights.get(task, 0.0) * progress for task, progress in rows)
    return round(done / (sum(weights.values()) or 1.0), 4)


def publish_progress(session: Session, run: StepRun) -> None:
    """Replace the step's progress note, so that the stream stays short however long the work."""
    session.execute(
        delete(TaskEvent).where(
            TaskEvent.task_id == run.task_id,
            TaskEvent.step == run.name,
            TaskEvent.kind == "progress",
        )
    )
    session.add(
        TaskEvent(
            task_id=run.task_id,
            step=run.name,
            kind="progress",
            data={
                "progress": run.progress,
                "message": run.message,
                "figures": run.figures,
                "attempt": run.attempt,
            },
        )
    )
