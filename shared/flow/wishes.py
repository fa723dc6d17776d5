"""What users ask of a task: submit, cancel, retry. Each is one part of one transaction."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, make_transient_to_detached

from shared.bus.port import EventBus
from shared.db.base import new_id
from shared.db.direct import Direct
from shared.db.models import StepRun, Task, WorkRun, now
from shared.errors import Conflict, NotFound
from shared.events import lifecycle
from shared.flow.ledger import latest_runs, move, note, request
from shared.flow.statements import RUN, TASK, adding
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Step
from shared.telemetry.table import TASKS_ENDED, TASKS_SUBMITTED

NEW_RUN = (
    "task_id",
    "name",
    "service",
    "position",
    "attempt",
    "state",
    "progress",
    "figures",
)


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
    fields = {
        "id": new_id(),
        "user_id": user_id,
        "pipeline": pipeline.name,
        "state": State.QUEUED.value,
        "options": given,
        "context": {k: v for k, v in given.items() if v is not None},
        "idempotency_key": idempotency_key,
        "request_sha256": request_sha256,
        "created_at": now(),
    }
    values = {f"new_{name}": value for name, value in fields.items()}
    Direct(session.connection()).run(adding(TASK, tuple(fields)), **values)
    task = Task(**fields, error=None, cancel_requested_at=None, started_at=None, finished_at=None)
    make_transient_to_detached(task)
    session.add(task)
    _add_runs(session, task, pipeline.steps, attempt=1)
    note(session, task.id, None, "state", state=State.QUEUED)
    TASKS_SUBMITTED.add(pipeline.name)
    bus.publish(
        lifecycle.TaskSubmitted(task_id=task.id, user_id=user_id, pipeline=pipeline.name), session
    )
    bus.publish(request(task, pipeline.steps[0]), session)
    return task


def _add_runs(session: Session, task: Task, steps: tuple[Step, ...], *, attempt: int) -> None:
    names = [s.name for s in atlas.PIPELINES[task.pipeline].steps]
    rows = [
        {
            "new_task_id": task.id,
            "new_name": step.name,
            "new_service": step.service,
            "new_position": names.index(step.name),
            "new_attempt": attempt,
            "new_state": State.PENDING.value,
            "new_progress": 0.0,
            "new_figures": {},
        }
        for step in steps
    ]
    Direct(session.connection()).run_each(adding(RUN, NEW_RUN), rows)


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
        stoppable = {State.PENDING, State.QUEUED, State.WAITING}
        if not _held(session, run):  # between two tasks, or before another try: nobody would notice
            stoppable.add(State.RUNNING)
        move(session, run, stoppable, State.CANCELLED, finished_at=now())
    TASKS_ENDED.add(task.pipeline, State.CANCELLED)
    note(session, task.id, None, "state", state=State.CANCELLED)
    bus.publish(
        lifecycle.TaskCancelled(task_id=task.id, user_id=task.user_id, pipeline=task.pipeline),
        session,
    )
    return active


def _held(session: Session, run: StepRun) -> bool:
    """Whether a process is at work for the run."""
    held = select(WorkRun.task).where(
        WorkRun.step_run_id == run.id,
        WorkRun.holder.is_not(None),
        WorkRun.state != State.SUCCEEDED,
    )
    return session.scalar(held.limit(1)) is not None


def retry(session: Session, bus: EventBus, task: Task, step_name: str | None) -> StepRun:
    """Run a step again, and everything after it; by default the step that failed."""
    run = reopen(session, task, step_name)
    bus.publish(request(task, atlas.PIPELINES[task.pipeline].step(run.name)), session)
    return run


def reopen(session: Session, task: Task, step_name: str | None) -> StepRun:
    """A new attempt at a step and at everything after it, which waits for its request event."""
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
        raise NotFound(f"Task {task.id} has no step {chosen!r}; its steps: {', '.join(names)}.")
    again = steps[names.index(chosen) :]
    if any(run.state != State.SUCCEEDED for run in runs[: names.index(chosen)]):
        raise Conflict(f"Step {chosen} cannot run before the steps that lead to it.")
    _add_runs(session, task, again, attempt=max(r.attempt for r in runs) + 1)
    task.state = State.QUEUED
    task.error = task.cancel_requested_at = task.finished_at = None
    note(session, task.id, None, "state", state=State.QUEUED, from_step=chosen)
    session.flush()
    return next(r for r in latest_runs(session, task.id) if r.name == chosen)
