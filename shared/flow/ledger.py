"""How tasks and steps move from state to state: each function is one part of one transaction.

Every move is a compare-and-set on the state, so whoever comes second changes nothing. The outgoing
events ride in the same transaction (see `shared.bus.outbox`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import Connection, CursorResult, bindparam, func, select, update
from sqlalchemy.orm import Session

from shared.bus.port import EventBus
from shared.db.base import UtcDateTime, table
from shared.db.models import StepRun, Task, TaskEvent, now
from shared.errors import ActverseError
from shared.events import lifecycle
from shared.events.base import DomainEvent
from shared.flow.states import ENDED, OPEN, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Step


def request(task: Task, step: Step) -> DomainEvent:
    """The event that starts `step`, from what the task knows so far."""
    return step.on.drawn_from(task.context, task_id=task.id, user_id=task.user_id)


def note(session: Session, task_id: str, step: str | None, kind: str, **data: Any) -> None:
    """Tell the watchers of a task."""
    session.add(TaskEvent(task_id=task_id, step=step, kind=kind, data=data))


def latest_runs(session: Session, task_id: str) -> list[StepRun]:
    """The newest attempt of every step, in order of the pipeline."""
    rows = session.scalars(
        select(StepRun).where(StepRun.task_id == task_id).order_by(StepRun.attempt)
    )
    newest = {row.name: row for row in rows}
    return sorted(newest.values(), key=lambda row: row.position)


def move(
    session: Session,
    run: StepRun,
    allowed: set[State] | frozenset[State],
    to: State,
    **changes: Any,
) -> bool:
    """Compare-and-set the state of a step run; False when somebody was quicker."""
    result = cast(
        "CursorResult[Any]",
        session.execute(
            update(StepRun)
            .where(StepRun.id == run.id, StepRun.state.in_(allowed))
            .values(state=to, **changes)
            .execution_options(synchronize_session="fetch")
        ),
    )
    if result.rowcount == 0:
        return False
    error = changes.get("error")
    note(
        session,
        run.task_id,
        run.name,
        "state",
        state=to,
        attempt=run.attempt,
        **({"message": error["message"], "code": error["code"]} if error else {}),
    )
    return True


def enqueue(
    session: Session, event: DomainEvent, step: Step, *, again: bool = False
) -> tuple[StepRun, Task] | None:
    """Take a request event: the run to dispatch, or None when there is nothing (more) to do.

    The same event while nothing has begun yields the same run again, because whoever took it first
    may have died between commit and dispatch; its token makes a second canvas harmless. When it
    comes `again` (see `consumer.handle`) even a run that has begun is dispatched once more: of the
    parts of a leading `parallel` perhaps only some were sent.
    """
    task = session.get(Task, event.task_id, with_for_update=True)
    if task is None or task.state in ENDED:
        return None
    run = next((r for r in latest_runs(session, task.id) if r.name == step.name), None)
    if run is None:
        return None
    resendable = {State.QUEUED, State.RUNNING} if again else {State.QUEUED}
    if run.event_id == event.event_id and run.state in resendable:
        return run, task
    moved = move(
        session,
        run,
        {State.PENDING},
        State.QUEUED,
        event_id=event.event_id,
        token=uuid4().hex,
        queued_at=now(),
    )
    return (run, task) if moved else None


_RUN, _TASK, _EVENT = table(StepRun), table(Task), table(TaskEvent)
_BEGIN = (
    update(_RUN)
    .where(_RUN.c.id == bindparam("run"), _RUN.c.state == State.QUEUED)
    .values(state=State.RUNNING, started_at=bindparam("at"), deadline_at=bindparam("deadline"))
    .returning(_RUN.c.task_id, _RUN.c.name, _RUN.c.attempt)
)
_BEGIN_TASK = (
    update(_TASK)
    .where(_TASK.c.id == bindparam("task"), *(_TASK.c.state != state for state in sorted(ENDED)))
    .values(
        state=State.RUNNING,
        started_at=func.coalesce(_TASK.c.started_at, bindparam("at", type_=UtcDateTime())),
    )
)


def started(connection: Connection, step_run_id: int, step: Step) -> None:
    """The first task of the step has begun."""
    at = now()
    deadline = at + timedelta(seconds=step.deadline_s)
    begun = connection.execute(_BEGIN, {"run": step_run_id, "at": at, "deadline": deadline})
    run = begun.one_or_none()
    if run is None:
        return
    connection.execute(_BEGIN_TASK, {"task": run.task_id, "at": at})
    data = {"state": State.RUNNING, "attempt": run.attempt}
    connection.execute(
        _EVENT.insert(),
        {"task_id": run.task_id, "step": run.name, "kind": "state", "data": data, "at": at},
    )


def completed(
    session: Session, bus: EventBus, run: StepRun, step: Step, results: dict[str, Any]
) -> None:
    """The last task of the step is done: publish the fact, and what it leads to."""
    task = session.get_one(Task, run.task_id, with_for_update=True)
    if step.awaits is None:
        _conclude(session, bus, run, step, task, results, {State.RUNNING})
        return
    if not move(session, run, {State.RUNNING}, State.WAITING, progress=0.0, deadline_at=None):
        return
    _publish_fact(session, bus, task, step.emits, results)
    task.state = State.WAITING


def concluded_by(session: Session, bus: EventBus, fact: DomainEvent) -> bool:
    """Somebody outside (the labeling monitor) says that a waiting step is done."""
    task = session.get(Task, fact.task_id, with_for_update=True)
    if task is None or task.state in ENDED:
        return False
    pipeline = atlas.PIPELINES[task.pipeline]
    for run in latest_runs(session, task.id):
        step = pipeline.step(run.name)
        if run.state == State.WAITING and step.awaits is type(fact):
            return _conclude(session, bus, run, step, task, fact.payload(), {State.WAITING})
    return False


def _conclude(
    session: Session,
    bus: EventBus,
    run: StepRun,
    step: Step,
    task: Task,
    results: dict[str, Any],
    allowed: set[State],
) -> bool:
    if not move(session, run, allowed, State.SUCCEEDED, finished_at=now(), progress=1.0):
        return False
    _publish_fact(session, bus, task, step.outcome, results)
    if step.then is not None:
        following = next(s for s in atlas.PIPELINES[task.pipeline].steps if s.on is step.then)
        task.state = State.RUNNING
        bus.publish(request(task, following), session)
        return True
    task.state = State.SUCCEEDED
    task.finished_at = now()
    note(session, task.id, None, "state", state=State.SUCCEEDED)
    bus.publish(
        lifecycle.TaskCompleted(task_id=task.id, user_id=task.user_id, pipeline=task.pipeline),
        session,
    )
    return True


def _publish_fact(
    session: Session,
    bus: EventBus,
    task: Task,
    fact: type[DomainEvent],
    results: dict[str, Any],
) -> None:
    event = fact.drawn_from({**task.context, **results}, task_id=task.id, user_id=task.user_id)
    task.context = {**task.context, **event.payload()}
    bus.publish(event, session)


def failed(session: Session, bus: EventBus, run: StepRun, error: ActverseError) -> bool:
    """The step gave up; the task stops here until somebody retries."""
    told = {"code": error.code, "status": int(error.status), "message": str(error)}
    if not move(session, run, OPEN, State.FAILED, finished_at=now(), error=told):
        return False
    task = session.get_one(Task, run.task_id, with_for_update=True)
    if task.state in ENDED:
        return True
    task.state = State.FAILED
    task.error = {**told, "step": run.name}
    task.finished_at = now()
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
