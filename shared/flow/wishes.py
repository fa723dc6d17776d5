"""What users ask of a task: submit, cancel, retry. Each is one part of one transaction."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.bus.port import EventBus
from shared.db.base import new_id
from shared.db.direct import Direct
from shared.db.models import StepRun, Task, WorkRun, now
from shared.db.notes import NOTE
from shared.errors import Conflict, NotFound
from shared.events import lifecycle
from shared.flow.ledger import latest_runs, move, note, request
from shared.flow.statements import RUN, TASK, adding
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Step
from shared.telemetry.table import TASKS_ENDED, TASKS_SUBMITTED

NEW_TASK = adding(
    TASK,
    (
        "id",
        "user_id",
        "pipeline",
        "state",
        "options",
        "context",
        "idempotency_key",
        "request_sha256",
        "created_at",
    ),
)
NEW_RUN = adding(
    RUN,
    ("task_id", "name", "service", "position", "attempt", "state", "progress", "figures"),
)


class Submitted(NamedTuple):
    """What a new task is known by."""

    id: str


def submit(
    session: Session,
    bus: EventBus,
    pipeline: Pipeline,
    options: Options,
    *,
    user_id: str,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Submitted:
    """Accept a task and ask for its first step."""
    given = options.model_dump(mode="json")
    known = {k: v for k, v in given.items() if v is not None}
    task = Submitted(new_id())
    direct, at = Direct(session.connection()), now()
    direct.run(
        NEW_TASK,
        new_id=task.id,
        new_user_id=user_id,
        new_pipeline=pipeline.name,
        new_state=State.QUEUED.value,
        new_options=given,
        new_context=known,
        new_idempotency_key=idempotency_key,
        new_request_sha256=request_sha256,
        new_created_at=at,
    )
    _add_runs(direct, task.id, pipeline, pipeline.steps, attempt=1)
    # nobody can watch a task that is not yet there, so its first note need not be written last
    direct.run(NOTE, task=task.id, step=None, kind="state", data={"state": State.QUEUED}, at=at)
    TASKS_SUBMITTED.add(pipeline.name)
    bus.publish(
        lifecycle.TaskSubmitted(task_id=task.id, user_id=user_id, pipeline=pipeline.name), session
    )
    first = pipeline.steps[0].on
    bus.publish(first.drawn_from(known, task_id=task.id, user_id=user_id), session)
    return task


def _add_runs(
    direct: Direct, task_id: str, pipeline: Pipeline, steps: tuple[Step, ...], *, attempt: int
) -> None:
    first = len(pipeline.steps) - len(steps)  # it is always the last ones that run again
    rows = [
        {
            "new_task_id": task_id,
            "new_name": step.name,
            "new_service": step.service,
            "new_position": position,
            "new_attempt": attempt,
            "new_state": State.PENDING.value,
            "new_progress": 0.0,
            "new_figures": {},
        }
        for position, step in enumerate(steps, first)
    ]
    direct.run_each(NEW_RUN, rows)


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
    pipeline = atlas.PIPELINES[task.pipeline]
    direct = Direct(session.connection())
    _add_runs(direct, task.id, pipeline, again, attempt=max(r.attempt for r in runs) + 1)
    task.state = State.QUEUED
    task.error = task.cancel_requested_at = task.finished_at = None
    note(session, task.id, None, "state", state=State.QUEUED, from_step=chosen)
    session.flush()
    return next(r for r in latest_runs(session, task.id) if r.name == chosen)
