"""Sends again what a server has lost: the database knows what is done, and so what comes next.

A broker that keeps its promises loses nothing. But Redis, which counts the parts of a chord, may be
emptied in the middle of one, and the disk of a broker may be lost as a whole. Then a step stands
still although nothing waits for it. To send the rest of it once more is harmless, because work is
claimed in the database: at worst a second message finds its work done.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from shared.bus.outbox import trace_of
from shared.bus.topology import named
from shared.db.models import Outgoing, StepRun, Task, WorkRun, now
from shared.flow import canvas, ledger
from shared.flow.claims import WorkRef
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.platform import Platform
from shared.telemetry import tracing

STALLED = timedelta(seconds=10)
AGAIN = timedelta(seconds=60)  # when sending it once more has not moved it
UNANSWERED = timedelta(seconds=30)  # a request event that nobody has taken although all are taken
LOOK_BACK = timedelta(minutes=10)
SKEW = timedelta(seconds=60)
"""Moments further ahead are of a clock that was wrong; they say nothing, and must not stop us for hours."""
AT_ONCE = 100
MOST = 5000
log = structlog.get_logger()


def revive(platform: Platform, back: timedelta = LOOK_BACK) -> int:
    """Send the rest of every step that stands still; how many there were.

    `back`: how old a request may be that the broker has lost; all that the outbox keeps is asked
    for now and then, because it is many rows.
    """
    pending = {load.name: load.pending for load in platform.broker.loads()}
    revived = 0
    for service in atlas.services():
        with platform.reads() as session:
            before = _consumed_until(session, service, waiting=pending.get(named(service), 0))
            stalled = _stalled(session, service, before) if before is not None else []
        for run_id in stalled:
            revived += _send_rest(platform, run_id)
        if pending.get(f"{named(service)}.events", 1) == 0:
            revived += _ask_again(platform, service, back)
    return revived


def _consumed_until(session: Session, service: str, *, waiting: int) -> datetime | None:
    """Whatever was sent to the queue of `service` before this moment was taken from it.

    An empty queue says so for everything. Else the queue's order does: a step that has begun had
    waited behind all that was sent before it.
    """
    if waiting == 0:
        return now() - STALLED
    newest = session.scalar(
        select(StepRun.queued_at)
        .where(
            StepRun.state == State.RUNNING,
            StepRun.service == service,
            StepRun.queued_at < now() + SKEW,
        )
        .order_by(StepRun.queued_at.desc())
        .limit(1)
    )
    return None if newest is None else newest - STALLED


def _stalled(session: Session, service: str, before: datetime) -> list[int]:
    """Step runs that nobody is at, and nobody was since `before`."""
    at = now()
    runs = session.execute(
        select(StepRun.id, StepRun.revived_at)
        .where(
            StepRun.state.in_([State.QUEUED, State.RUNNING]),
            StepRun.service == service,
            or_(StepRun.queued_at < before, StepRun.queued_at > at + SKEW),
            or_(
                StepRun.revived_at.is_(None),
                StepRun.revived_at < at - STALLED,
                StepRun.revived_at > at + SKEW,
            ),
        )
        .order_by(StepRun.queued_at)
        .limit(MOST)
    ).all()
    moved: dict[int, datetime] = {}
    for first in range(0, len(runs), AT_ONCE):
        moved |= _last_moves(session, [run.id for run in runs[first : first + AT_ONCE]])
    return [
        run.id
        for run in runs
        if (moved.get(run.id) or before) <= before
        and (
            run.revived_at is None
            or not at - AGAIN <= run.revived_at <= at + SKEW
            or (run.id in moved and moved[run.id] > run.revived_at)
        )
    ]


def _last_moves(session: Session, run_ids: Sequence[int]) -> dict[int, datetime]:
    """When the work of each run last began or ended; held, or waiting for a try, it moves until then.

    A statement of its own for a few runs: joined, a database reads the work of all times for it.
    """
    moved: dict[int, datetime] = {}
    latest = now() + SKEW
    for work in session.execute(
        select(
            WorkRun.step_run_id, WorkRun.started_at, WorkRun.finished_at, WorkRun.held_until
        ).where(WorkRun.step_run_id.in_(run_ids))
    ):
        moments = [m for m in (work.started_at, work.finished_at) if m is not None and m <= latest]
        if work.held_until is not None:
            moments.append(work.held_until)
        if moments:
            last = max(moments)
            moved[work.step_run_id] = max(last, moved.get(work.step_run_id, last))
    return moved


def _send_rest(platform: Platform, run_id: int) -> bool:
    """Send it, unless another clock does; False when nothing was sent."""
    at = now()
    with platform.sessions.begin() as session:
        run = session.scalar(
            select(StepRun)
            .where(StepRun.id == run_id)
            .with_for_update(skip_locked=True, key_share=True)
        )
        if run is None or run.state not in {State.QUEUED, State.RUNNING} or run.token is None:
            return False
        if run.revived_at is not None and at - STALLED < run.revived_at <= at + SKEW:
            return False
        run.revived_at = at
        task = session.get_one(Task, run.task_id)
        if task.state in ENDED:  # cancelled: the sweeper ends what still runs
            return False
        step = atlas.PIPELINES[task.pipeline].step(run.name)
        ref = WorkRef(
            task_id=task.id,
            user_id=task.user_id,
            pipeline=task.pipeline,
            step=run.name,
            step_run_id=run.id,
            attempt=run.attempt,
            token=run.token,
        )
        job = ledger.request(task, step).model_dump(mode="json")
        finished = session.scalars(
            select(WorkRun).where(WorkRun.step_run_id == run.id, WorkRun.state == State.SUCCEEDED)
        )
        done: dict[str, dict[str, Any]] = {work.task: work.job or {} for work in finished}
        parent = trace_of(session, task.id)
    with tracing.span("revive", "producer", parent, task_id=ref.task_id, step=ref.step):
        remaining = canvas.rest(platform.celery, step, ref, job, done)
        for signature in remaining:
            signature.apply_async()
    log.warning(
        "flow.step.revived", task_id=ref.task_id, step=ref.step, sent=[s.task for s in remaining]
    )
    return bool(remaining)


def _ask_again(platform: Platform, service: str, back: timedelta) -> int:
    """Request events that were sent, and that nobody took, are sent again by the relay."""
    requests = {
        step.on.name: step.name
        for pipeline in atlas.PIPELINES.values()
        for step in pipeline.steps
        if step.service == service
    }
    at = now()
    with platform.sessions.begin() as session:
        rows = session.execute(
            select(Outgoing.id, Outgoing.name, StepRun.name, StepRun.task_id)
            .join(Task, Task.id == Outgoing.task_id)
            .join(StepRun, StepRun.task_id == Outgoing.task_id)
            .where(
                or_(
                    Outgoing.published_at.between(at - back, at - UNANSWERED),
                    Outgoing.published_at > at + SKEW,
                ),
                Outgoing.name.in_(list(requests)),
                StepRun.service == service,
                StepRun.state == State.PENDING,
                Task.state.not_in(ENDED),
            )
            .limit(AT_ONCE)
        ).all()
        lost = [row[0] for row in rows if requests[row[1]] == row[2]]
        if lost:
            session.execute(
                update(Outgoing).where(Outgoing.id.in_(lost)).values(published_at=None, due_at=at)
            )
            log.warning("flow.events.asked_again", service=service, events=len(lost))
    return len(lost)
