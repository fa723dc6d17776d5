"""Nobody waits for ever: what is overdue, parked, lost, or will not stop ends here, visibly."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from shared.db.models import Incoming, Outgoing, StepRun, Task, now
from shared.errors import Terminal
from shared.flow import ledger, parking, reviver
from shared.flow.states import State
from shared.messages import Sentence
from shared.pipelines import atlas
from shared.platform import Platform

CANCEL_GRACE = timedelta(seconds=10)
KEEP_SENT = timedelta(days=1)
KEEP_HANDLED = timedelta(days=30)
log = structlog.get_logger()


class Overdue(Terminal):
    """A step ran longer than its deadline."""

    def __init__(self, step: str, started: str) -> None:
        super().__init__(Sentence("error.step_overdue", step=step, started=started))


class NoAnswer(Terminal):
    """A step waited for somebody longer than it may."""

    def __init__(self, step: str, minutes: float) -> None:
        super().__init__(Sentence("error.no_answer", step=step, minutes=minutes))


def sweep(platform: Platform) -> None:
    """One round; every part may run at the same time in another process."""
    parking.take(platform)
    fail_overdue(platform)
    stop_cancelled(platform)
    reviver.revive(platform)


def fail_overdue(platform: Platform) -> None:
    """Steps past their deadline fail, and so do those whom nobody answered in time."""
    late = (StepRun.state.in_([State.RUNNING, State.WAITING]), StepRun.deadline_at < now())
    with platform.reads() as session:
        overdue = session.scalars(select(StepRun.id).where(*late)).all()
    for run_id in overdue:
        with platform.sessions.begin() as session:
            run = session.scalar(select(StepRun).where(StepRun.id == run_id, *late))
            if run is not None:  # else it has ended, or begun to wait, a moment ago
                ledger.failed(session, platform.bus, run, _lateness(session, run))


def _lateness(session: Session, run: StepRun) -> Terminal:
    if run.state == State.WAITING:
        task = session.get_one(Task, run.task_id)
        waits_s = atlas.PIPELINES[task.pipeline].step(run.name).waits_s or 0.0
        return NoAnswer(run.name, waits_s / 60)
    return Overdue(run.name, f"{run.started_at:%Y-%m-%d %H:%M} UTC")


def stop_cancelled(platform: Platform) -> None:
    """Work that did not notice its cancellation in time is ended with its process."""
    with platform.reads() as session:
        stuck = session.execute(
            select(StepRun.id, StepRun.token, StepRun.name, Task.pipeline)
            .join(Task, Task.id == StepRun.task_id)
            .where(
                StepRun.state == State.RUNNING,
                Task.state == State.CANCELLED,
                Task.cancel_requested_at < now() - CANCEL_GRACE,
            )
        ).all()
    for run_id, token, name, pipeline in stuck:
        revoke(platform, pipeline, name, str(token), terminate=True)
        with platform.sessions.begin() as session:
            ledger.cancelled(session, session.get_one(StepRun, run_id))


def revoke(
    platform: Platform, pipeline: str, step_name: str, token: str, *, terminate: bool
) -> None:
    """Tell the workers to forget the Celery tasks of a step run, or to end them now."""
    step = atlas.PIPELINES[pipeline].step(step_name)
    ids = [f"{token}.{work.task}" for work in step.works()]
    platform.celery.control.revoke(ids, terminate=terminate, signal="SIGTERM")


def look_far_back(platform: Platform) -> None:
    """What takes longer than a sweep: requests lost as long ago as the outbox knows, and queues."""
    reviver.revive(platform, KEEP_SENT)
    platform.broker.apply()  # a broker that lost its disk has lost them too


def forget_old(platform: Platform) -> None:
    """Delete sent outbox rows and old inbox rows."""
    with platform.sessions.begin() as session:
        session.execute(delete(Outgoing).where(Outgoing.published_at < now() - KEEP_SENT))
        session.execute(delete(Incoming).where(Incoming.at < now() - KEEP_HANDLED))
