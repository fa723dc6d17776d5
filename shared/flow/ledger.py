"""How tasks and steps move from state to state: each function is one part of one transaction.

Every move is a compare-and-set on the state, so whoever comes second changes nothing. The outgoing
events ride in the same transaction (see `shared.bus.outbox`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from shared.bus.port import EventBus
from shared.db.models import StepRun, Task, TaskEvent, now
from shared.errors import ActverseError, Conflict
from shared.events import lifecycle
from shared.events.base import DomainEvent
from shared.flow.states import ENDED, OPEN, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Step


def submit(
    session: Session,
    bus: EventBus,
    pipeline: Pipeline,
    options: Options,
    *,
    user_id: str,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Task:
    """Accept a task and ask for its first step."""
    given = options.model_dump(mode="json")
    task = Task(
        user_id=user_id,
        pipeline=pipeline.name,
        options=given,
        context={k: v for k, v in given.items() if v is not None},
        idempotency_key=idempotency_key,
        request_sha256=request_sha256,
    )
    session.add(task)
    session.flush()
    _add_runs(session, task, pipeline.steps, attempt=1)
    note(session, task.id, None, "state", state=State.QUEUED)
    bus.publish(
        lifecycle.TaskSubmitted(task_id=task.id, user_id=user_id, pipeline=pipeline.name), session
    )
    bus.publish(_request(task, pipeline.steps[0]), session)
    return task


def _add_runs(session: Session, task: Task, steps: tuple[Step, ...], *, attempt: int) -> None:
    names = [s.name for s in atlas.PIPELINES[task.pipeline].steps]
    for step in steps:
        session.add(
            StepRun(
                task_id=task.id,
                name=step.name,
                service=step.service,
                position=names.index(step.name),
                attempt=attempt,
            )
        )


def _request(task: Task, step: Step) -> DomainEvent:
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


def enqueue(session: Session, event: DomainEvent, step: Step) -> tuple[StepRun, Task] | None:
    """Take a request event: the run to dispatch, or None when there is nothing (more) to do.

    A second delivery of the same event while nothing has begun yields the same run again, because
    the first may have died between commit and dispatch; its token makes a second canvas harmless.
    """
    task = session.get(Task, event.task_id, with_for_update=True)
    if task is None or task.state in ENDED:
        return None
    run = next((r for r in latest_runs(session, task.id) if r.name == step.name), None)
    if run is None:
        return None
    if run.state == State.QUEUED and run.event_id == event.event_id:
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


def started(session: Session, run: StepRun, step: Step) -> None:
    """The first task of the step has begun."""
    if move(
        session,
        run,
        {State.QUEUED},
        State.RUNNING,
        started_at=now(),
        deadline_at=now() + timedelta(seconds=step.deadline_s),
    ):
        session.execute(
            update(Task)
            .where(Task.id == run.task_id, Task.state.in_(OPEN))
            .values(state=State.RUNNING, started_at=Task.started_at)
        )
        session.execute(
            update(Task)
            .where(Task.id == run.task_id, Task.started_at.is_(None))
            .values(started_at=now())
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
        bus.publish(_request(task, following), session)
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
    envelope = {"task_id": task.id, "user_id": task.user_id}
    bus.publish(
        lifecycle.StepFailed(
            **envelope, step=run.name, attempt=run.attempt, code=error.code, message=str(error)
        ),
        session,
    )
    bus.publish(
        lifecycle.TaskFailed(**envelope, pipeline=task.pipeline, step=run.name, message=str(error)),
        session,
    )
    return True


def cancelled(session: Session, run: StepRun) -> None:
    """A running step noticed that its task was cancelled."""
    move(session, run, OPEN, State.CANCELLED, finished_at=now())


def cancel(session: Session, bus: EventBus, task: Task) -> list[StepRun]:
    """Cancel a task; returns the runs whose Celery tasks should be revoked."""
    if task.state in ENDED:
        raise Conflict(f"Task {task.id} is already {task.state.lower()}; nothing to cancel.")
    task.state = State.CANCELLED
    task.cancel_requested_at = task.finished_at = now()
    active = []
    for run in latest_runs(session, task.id):
        if run.state in {State.QUEUED, State.RUNNING}:
            active.append(run)
        move(
            session,
            run,
            {State.PENDING, State.QUEUED, State.WAITING},
            State.CANCELLED,
            finished_at=now(),
        )
    note(session, task.id, None, "state", state=State.CANCELLED)
    bus.publish(
        lifecycle.TaskCancelled(task_id=task.id, user_id=task.user_id, pipeline=task.pipeline),
        session,
    )
    return active


def retry(session: Session, bus: EventBus, task: Task, step_name: str | None) -> StepRun:
    """Run a step again, and everything after it; by default the step that failed."""
    runs = latest_runs(session, task.id)
    if task.state not in ENDED:
        raise Conflict(
            f"Task {task.id} is {task.state.lower()}; cancel it first, or wait for its end."
        )
    if any(run.state == State.RUNNING for run in runs):
        raise Conflict(f"A step of task {task.id} is still stopping; try again in a moment.")
    steps = atlas.PIPELINES[task.pipeline].steps
    chosen = step_name or next((r.name for r in runs if r.state != State.SUCCEEDED), None)
    names = [s.name for s in steps]
    if chosen is None:
        raise Conflict(f"Task {task.id} has succeeded; name the step that should run again.")
    if chosen not in names:
        raise Conflict(f"Task {task.id} has no step {chosen!r}; its steps: {', '.join(names)}.")
    again = steps[names.index(chosen) :]
    if any(run.state != State.SUCCEEDED for run in runs[: names.index(chosen)]):
        raise Conflict(f"Step {chosen} cannot run before the steps that lead to it.")
    _add_runs(session, task, again, attempt=max(r.attempt for r in runs) + 1)
    task.state = State.QUEUED
    task.error = task.cancel_requested_at = task.finished_at = None
    note(session, task.id, None, "state", state=State.QUEUED, from_step=chosen)
    bus.publish(_request(task, again[0]), session)
    session.flush()
    return next(r for r in latest_runs(session, task.id) if r.name == chosen)
