"""How tasks and steps move from state to state: each function is one part of one transaction.

Every move is a compare-and-set on the state, so whoever comes second changes nothing. The outgoing
events ride in the same transaction (see `shared.bus.outbox`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from shared import failures
from shared.bus.port import EventBus
from shared.db.base import Base
from shared.db.direct import Direct
from shared.db.models import StepRun, Task, now
from shared.db.notes import NOTE
from shared.db.prepared import Rows
from shared.errors import ActverseError
from shared.events import lifecycle
from shared.events.base import DomainEvent
from shared.flow.statements import (
    BEGIN,
    BEGIN_TASK,
    CLOSE,
    OWNER,
    moving,
    setting,
)
from shared.flow.states import ENDED, OPEN, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Step
from shared.telemetry.table import STEP_SECONDS, STEP_WAIT_SECONDS, TASKS_ENDED

WHY = ("message", "code", failures.SENTENCE)
"""What watchers of a step hear of its failure."""


class RunKey(NamedTuple):
    """Which step run, for those who have not loaded it."""

    id: int
    task_id: str
    name: str
    attempt: int


def request(task: Task, step: Step) -> DomainEvent:
    """The event that starts `step`, from what the task knows so far."""
    return step.on.drawn_from(task.context, task_id=task.id, user_id=task.user_id)


def note(session: Session, task_id: str, step: str | None, kind: str, **data: Any) -> None:
    """Tell the watchers of a task, which is stored already."""
    _note(Direct(session.connection()), task_id, step, kind, data)


def _note(direct: Direct, task_id: str, step: str | None, kind: str, data: dict[str, Any]) -> None:
    values = {"task": task_id, "step": step, "kind": kind, "data": data, "at": now()}
    direct.write_last(task_id, (NOTE, values))


def latest_runs(session: Session, task_id: str) -> list[StepRun]:
    """The newest attempt of every step, in order of the pipeline."""
    rows = session.scalars(
        select(StepRun).where(StepRun.task_id == task_id).order_by(StepRun.attempt)
    )
    newest = {row.name: row for row in rows}
    return sorted(newest.values(), key=lambda row: row.position)


def move(
    session: Session,
    run: StepRun | RunKey,
    allowed: set[State] | frozenset[State],
    to: State,
    **changes: Any,
) -> bool:
    """Compare-and-set the state of a step run; False when somebody was quicker."""
    session.flush()
    moved = _move(Direct(session.connection()), run, allowed, to, **changes)
    if moved and isinstance(run, StepRun):
        _tell(run, {"state": to, **changes})
    return moved


def _move(
    direct: Direct,
    run: StepRun | RunKey,
    allowed: set[State] | frozenset[State],
    to: State,
    **changes: Any,
) -> bool:
    changes = {"state": to, **changes}
    statement = moving(frozenset(allowed), tuple(changes))
    new = {f"new_{name}": value for name, value in changes.items()}
    moved = direct.run(statement, run=run.id, **new).first
    if moved is None:
        return False
    if to in ENDED and moved.started_at is not None:
        STEP_SECONDS.observe((now() - moved.started_at).total_seconds(), run.name, to)
    error = changes.get("error")
    why = {name: error[name] for name in WHY if name in error} if error else {}
    data = {"state": to, "attempt": run.attempt, **why}
    _note(direct, run.task_id, run.name, "state", data)
    return True


def _tell(entity: Base, changes: dict[str, Any]) -> None:
    """Let a loaded object know what a statement has done to its row."""
    for name, value in changes.items():
        set_committed_value(entity, name, value)


@dataclass(frozen=True)
class Enqueued:
    """A step run whose canvas is to be sent."""

    step_run_id: int
    attempt: int
    token: str
    user_id: str
    pipeline: str


def enqueue(
    direct: Direct, event: DomainEvent, task: Any, run: Any | None, *, again: bool = False
) -> Enqueued | None:
    """Take a request event: the run to dispatch, or None when there is nothing (more) to do.

    The same event while nothing has begun yields the same run again, because whoever took it first
    may have died between commit and dispatch; its token makes a second canvas harmless. When it
    comes `again` (see `consumer.handle`) even a run that has begun is dispatched once more: of the
    parts of a leading `parallel` perhaps only some were sent.

    `task` is the row that `OWNER` gives, `run` the first of `newest` for the step, if any.
    """
    if run is None or task.state in ENDED:
        return None
    resendable = {State.QUEUED, State.RUNNING} if again else {State.QUEUED}
    if run.event_id == event.event_id and run.state in resendable:
        return Enqueued(run.id, run.attempt, run.token, task.user_id, task.pipeline)
    moved = _move(
        direct,
        RunKey(run.id, task.id, run.name, run.attempt),
        {State.PENDING},
        State.QUEUED,
        event_id=event.event_id,
        token=(token := uuid4().hex),
        queued_at=now(),
    )
    return Enqueued(run.id, run.attempt, token, task.user_id, task.pipeline) if moved else None


def started(direct: Direct, step_run_id: int, step: Step) -> None:
    """The first task of the step has begun."""
    at = now()
    deadline = at + timedelta(seconds=step.deadline_s)
    run = direct.run(BEGIN, run=step_run_id, at=at, deadline=deadline).first
    if run is None:
        return
    if run.queued_at is not None:
        STEP_WAIT_SECONDS.observe((at - run.queued_at).total_seconds(), run.name)
    direct.run(BEGIN_TASK, task=run.task_id, at=at)
    data = {"state": State.RUNNING, "attempt": run.attempt}
    _note(direct, run.task_id, run.name, "state", data)


def completed(
    session: Session,
    bus: EventBus,
    run: StepRun | RunKey,
    step: Step,
    results: dict[str, Any],
) -> None:
    """The last task of the step is done: publish the fact, and what it leads to."""
    owner = Direct(session.connection()).run(OWNER, task=run.task_id)
    if step.awaits is None:
        _conclude(session, bus, run, step, owner, results, {State.RUNNING})
        return
    until = None if step.waits_s is None else now() + timedelta(seconds=step.waits_s)
    if not move(session, run, {State.RUNNING}, State.WAITING, progress=0.0, deadline_at=until):
        return
    task = owner.all[0]
    event, context = _fact(task, step.emits, results)
    bus.publish(event, session)
    _set_task(session, Direct(session.connection()), task, state=State.WAITING, context=context)


def concluded_by(session: Session, bus: EventBus, fact: DomainEvent) -> bool:
    """Somebody outside (the labeling monitor) says that a waiting step is done."""
    session.flush()
    owner = Direct(session.connection()).run(OWNER, task=fact.task_id)
    task = owner.first
    if task is None or task.state in ENDED:
        return False
    pipeline = atlas.PIPELINES[task.pipeline]
    for run in latest_runs(session, task.id):
        step = pipeline.step(run.name)
        if run.state == State.WAITING and step.awaits is type(fact):
            return _conclude(session, bus, run, step, owner, fact.payload(), {State.WAITING})
    return False


def _conclude(
    session: Session,
    bus: EventBus,
    run: StepRun | RunKey,
    step: Step,
    owner: Rows,
    results: dict[str, Any],
    allowed: set[State],
) -> bool:
    if not move(session, run, allowed, State.SUCCEEDED, finished_at=now(), progress=1.0):
        return False
    task = owner.all[0]
    who = {"task_id": task.id, "user_id": task.user_id}
    event, context = _fact(task, step.outcome, results)
    follows: DomainEvent
    if step.then is not None:
        follows = step.then.drawn_from(context, **who)
        changes: dict[str, Any] = {"state": State.RUNNING, "context": context}
    else:
        follows = lifecycle.TaskCompleted(**who, pipeline=task.pipeline)
        changes = {"state": State.SUCCEEDED, "context": context, "finished_at": now()}
        TASKS_ENDED.add(task.pipeline, State.SUCCEEDED)
        note(session, task.id, None, "state", state=State.SUCCEEDED)
    with Direct(session.connection()).at_once() as direct:
        direct.run(CLOSE, run=run.id)
        _set_task(session, direct, task, **changes)
    bus.publish_all([event, follows], session)
    return True


def _fact(
    task: Any, fact: type[DomainEvent], results: dict[str, Any]
) -> tuple[DomainEvent, dict[str, Any]]:
    """The event that says it, and what the task knows from now on."""
    known = {**task.context, **results}
    event = fact.drawn_from(known, task_id=task.id, user_id=task.user_id)
    return event, {**task.context, **event.payload()}


def _set_task(session: Session, direct: Direct, task: Any, **changes: Any) -> None:
    new = {f"new_{name}": value for name, value in changes.items()}
    direct.run(setting(tuple(changes)), task=task.id, **new)
    loaded = session.identity_map.get(session.identity_key(Task, task.id))
    if loaded is not None:
        _tell(loaded, changes)


def failed(session: Session, bus: EventBus, run: StepRun, error: ActverseError) -> bool:
    """The step gave up; the task stops here until somebody retries."""
    told = failures.stored(error)
    if not move(session, run, OPEN, State.FAILED, finished_at=now(), error=told):
        return False
    task = session.get_one(Task, run.task_id, with_for_update={"key_share": True})
    if task.state in ENDED:
        return True
    task.state = State.FAILED
    task.error = {**told, "step": run.name}
    task.finished_at = now()
    TASKS_ENDED.add(task.pipeline, State.FAILED)
    note(session, task.id, None, "state", state=State.FAILED, failed_step=run.name, **told)
    bus.publish(
        lifecycle.StepFailed(
            task_id=task.id,
            user_id=task.user_id,
            step=run.name,
            attempt=run.attempt,
            code=error.code,
            message=str(error),
        ),
        session,
    )
    bus.publish(
        lifecycle.TaskFailed(
            task_id=task.id,
            user_id=task.user_id,
            pipeline=task.pipeline,
            step=run.name,
            message=str(error),
        ),
        session,
    )
    return True


def cancelled(session: Session, run: StepRun) -> None:
    """A running step noticed that its task was cancelled."""
    move(session, run, OPEN, State.CANCELLED, finished_at=now())
