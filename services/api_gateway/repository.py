"""Every query of the gateway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.api_gateway.errors import KeyReused
from services.api_gateway.schemas import OutputView, StatusView, StepView, TaskView
from shared.db.models import Output, StepRun, Task, TaskEvent, now
from shared.flow.states import ENDED, State

HIDDEN = frozenset({"notify"})  # addresses of people


def known_request(
    session: Session, user_id: str, key: str | None, request_sha256: str
) -> Task | None:
    """The task that an earlier request with the same Idempotency-Key made."""
    if key is None:
        return None
    task = session.scalar(select(Task).where(Task.user_id == user_id, Task.idempotency_key == key))
    if task is not None and task.request_sha256 != request_sha256:
        raise KeyReused(key)
    return task


def page(
    session: Session,
    *,
    user_id: str | None,
    state: State | None,
    pipeline: str | None,
    before: datetime | None,
    limit: int,
) -> list[Task]:
    """The newest tasks, at most `limit`; of everybody when `user_id` is None."""
    query = select(Task).order_by(Task.created_at.desc(), Task.id).limit(limit)
    if user_id is not None:
        query = query.where(Task.user_id == user_id)
    if state is not None:
        query = query.where(Task.state == state)
    if pipeline is not None:
        query = query.where(Task.pipeline == pipeline)
    if before is not None:
        query = query.where(Task.created_at < before)
    return list(session.scalars(query))


def steps_of(session: Session, task_ids: Sequence[str]) -> dict[str, list[StepView]]:
    """The newest attempt of every step, by task, in order."""
    newest: dict[str, dict[str, StepRun]] = defaultdict(dict)
    for run in session.scalars(
        select(StepRun).where(StepRun.task_id.in_(task_ids)).order_by(StepRun.attempt)
    ):
        newest[run.task_id][run.name] = run
    return {
        task_id: [_step(run) for run in sorted(runs.values(), key=lambda r: r.position)]
        for task_id, runs in newest.items()
    }


def _step(run: StepRun) -> StepView:
    seconds = None
    if run.started_at is not None:
        seconds = round(((run.finished_at or now()) - run.started_at).total_seconds(), 3)
    return StepView(
        step=run.name,
        service=run.service,
        state=State(run.state),
        attempt=run.attempt,
        progress=run.progress,
        message=run.message,
        figures=run.figures,
        queued_at=run.queued_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=seconds,
        error=run.error,
    )


def outputs_of(session: Session, task_ids: Sequence[str]) -> dict[str, list[OutputView]]:
    """The result files, by task."""
    found: dict[str, list[OutputView]] = defaultdict(list)
    for row in session.scalars(
        select(Output).where(Output.task_id.in_(task_ids)).order_by(Output.name)
    ):
        found[row.task_id].append(
            OutputView(
                name=row.name,
                url=f"/tasks/{row.task_id}/outputs/{row.name}",
                bytes=row.bytes,
                sha256=row.sha256,
                content_type=row.content_type,
            )
        )
    return found


def views(session: Session, tasks: Sequence[Task]) -> list[TaskView]:
    """Tasks with their steps and outputs, in two more queries however many there are."""
    ids = [t.id for t in tasks]
    steps, outputs = steps_of(session, ids), outputs_of(session, ids)
    return [
        TaskView(
            task_id=t.id,
            user_id=t.user_id,
            pipeline=t.pipeline,
            state=State(t.state),
            options={k: v for k, v in t.options.items() if k not in HIDDEN},
            results={k: v for k, v in t.context.items() if k not in t.options},
            error=t.error,
            created_at=t.created_at,
            started_at=t.started_at,
            finished_at=t.finished_at,
            steps=steps.get(t.id, []),
            outputs=outputs.get(t.id, []),
        )
        for t in tasks
    ]


def status(session: Session, task: Task) -> StatusView:
    """How far a task is."""
    steps = steps_of(session, [task.id]).get(task.id, [])
    mean = sum(s.progress for s in steps) / len(steps) if steps else 0.0
    return StatusView(
        task_id=task.id,
        state=State(task.state),
        progress=round(mean, 4),
        error=task.error,
        process_status=steps,
    )


def events_after(session: Session, task_id: str, position: int) -> tuple[list[TaskEvent], bool]:
    """What happened to a task since `position`, and whether it has ended."""
    events = list(
        session.scalars(
            select(TaskEvent)
            .where(TaskEvent.task_id == task_id, TaskEvent.id > position)
            .order_by(TaskEvent.id)
            .limit(500)
        )
    )
    ended = session.scalar(select(Task.state).where(Task.id == task_id)) in ENDED
    return events, ended


def output(session: Session, task_id: str, name: str) -> Output | None:
    """One result file."""
    return session.get(Output, (task_id, name))
