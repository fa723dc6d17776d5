"""What users ask of a task: submit, cancel, retry. Each is one part of one transaction."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, literal, literal_column, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.dml import Insert

from shared.bus.port import EventBus
from shared.db.base import new_id
from shared.db.direct import Direct
from shared.db.inserts import Inserts, of_one_statement
from shared.db.models import StepRun, Task, WorkRun, now
from shared.db.notes import NOTE
from shared.db.prepared import Prepared
from shared.errors import Conflict, NotFound
from shared.events import lifecycle
from shared.flow.deletion import BeingDeleted
from shared.flow.ledger import latest_runs, move, note, request
from shared.flow.statements import RUN, TASK
from shared.flow.states import ENDED, State
from shared.messages import Sentence
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Step
from shared.telemetry.table import TASKS_ENDED, TASKS_SUBMITTED

NEW_TASK = TASK.insert().values(
    id=bindparam("task"),
    user_id=bindparam("user"),
    pipeline=bindparam("pipeline_name"),
    state=State.QUEUED.value,
    options=bindparam("given"),
    context=bindparam("known"),
    idempotency_key=bindparam("key"),
    request_sha256=bindparam("request"),
    created_at=bindparam("at"),
)


class Beside(NamedTuple):
    """A row of whoever submits, stored in the same statement; it may refer to the new task.

    Of its parameters `task`, `user` and `at` are those of the task; `values` has the others.
    """

    insert: Insert
    values: dict[str, Any]


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
    task_id: str | None = None,
    beside: Beside | None = None,
) -> Submitted:
    """Accept a task and ask for its first step.

    `task_id` is for those who have stored files of it already; by default it gets a new one.
    """
    given = options.model_dump(mode="json")
    known = {k: v for k, v in given.items() if v is not None}
    task = Submitted(task_id or new_id())
    # nobody can watch a task that is not yet there, so its first note need not be written last
    bus.publish_with(
        _new(pipeline.steps, beside.insert if beside else None),
        {
            **(beside.values if beside else {}),
            "task": task.id,
            "user": user_id,
            "pipeline_name": pipeline.name,
            "given": given,
            "known": known,
            "key": idempotency_key,
            "request": request_sha256,
            "at": now(),
            "step": None,
            "kind": "state",
            "data": {"state": State.QUEUED},
        },
        [
            lifecycle.TaskSubmitted(task_id=task.id, user_id=user_id, pipeline=pipeline.name),
            pipeline.steps[0].on.drawn_from(known, task_id=task.id, user_id=user_id),
        ],
        session,
    )
    TASKS_SUBMITTED.add(pipeline.name)
    return task


def submit_alone(
    sessions: sessionmaker[Session], bus: EventBus, pipeline: Pipeline, options: Options, **who: Any
) -> Submitted:
    """`submit` in a transaction of its own, which a server takes in one round trip."""
    with sessions.begin() as session:
        of_one_statement(session)
        return submit(session, bus, pipeline, options, **who)


@cache
def _new(steps: tuple[Step, ...], beside: Insert | None) -> Inserts:
    """A task, its steps, the first note about it, and what is stored beside it."""
    task = Inserts(NEW_TASK, _runs(steps, 0, attempt=1), NOTE)
    return task if beside is None else task.before(beside)


def _runs(steps: tuple[Step, ...], first: int, *, attempt: int) -> Insert:
    """Runs of `steps`, of which the first is number `first` of its pipeline.

    All but the task stands in the text: what many parameters cost is more than what they say.
    """
    return RUN.insert().values(
        [
            {
                "task_id": bindparam("task", type_=RUN.c.task_id.type),
                "name": _in_text(step.name),
                "service": _in_text(step.service),
                "position": _in_text(position),
                "attempt": _in_text(attempt),
                "state": _in_text(State.PENDING.value),
                "progress": _in_text(0.0),
                "figures": _in_text("{}"),
            }
            for position, step in enumerate(steps, first)
        ]
    )


def _in_text(value: str | float) -> ColumnElement[Any]:
    return literal_column(str(literal(value).compile(compile_kwargs={"literal_binds": True})))


def cancel(session: Session, bus: EventBus, task: Task) -> list[StepRun]:
    """Cancel a task; returns the runs whose Celery tasks should be revoked."""
    if task.state in ENDED:
        given = {"task_id": task.id, "state": task.state.lower()}
        raise Conflict(Sentence("error.nothing_to_cancel", **given))
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
    if task.state == State.DELETING:
        raise BeingDeleted(task.id)
    if task.state not in ENDED:
        given = {"task_id": task.id, "state": task.state.lower()}
        raise Conflict(Sentence("error.retry_while_open", **given))
    if any(run.state == State.RUNNING for run in runs):
        raise Conflict(Sentence("error.still_stopping", task_id=task.id))
    steps = atlas.PIPELINES[task.pipeline].steps
    chosen = step_name or next((r.name for r in runs if r.state != State.SUCCEEDED), None)
    names = [s.name for s in steps]
    if chosen is None:
        raise Conflict(Sentence("error.name_the_step", task_id=task.id))
    if chosen not in names:
        given = {"task_id": task.id, "step": chosen, "known": ", ".join(names)}
        raise NotFound(Sentence("error.no_step", **given))
    again = steps[names.index(chosen) :]
    if any(run.state != State.SUCCEEDED for run in runs[: names.index(chosen)]):
        raise Conflict(Sentence("error.step_too_early", step=chosen))
    more = _runs(again, len(steps) - len(again), attempt=max(r.attempt for r in runs) + 1)
    Direct(session.connection()).run(Prepared(more), task=task.id)
    task.state = State.QUEUED
    task.error = task.cancel_requested_at = task.finished_at = None
    note(session, task.id, None, "state", state=State.QUEUED, from_step=chosen)
    session.flush()
    return next(r for r in latest_runs(session, task.id) if r.name == chosen)
