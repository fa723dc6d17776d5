"""Every query of the gateway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, outerjoin, select, tuple_
from sqlalchemy.orm import Session

from services.api_gateway.errors import KeyReused
from services.api_gateway.schemas import OutputView, StatusView, StepView, TaskView
from shared import failures
from shared.db.base import table
from shared.db.direct import Direct
from shared.db.models import Output, StepRun, Task, Upload, now
from shared.db.prepared import Prepared
from shared.errors import NotFound
from shared.flow.states import State
from shared.messages import DEFAULT, Sentence
from shared.redaction import without_secrets
from shared.web.paging import Cursor

HIDDEN = frozenset({"notify", "webhook_secret"})  # addresses of people, and what signs
TASK, RUN = table(Task), table(StepRun)
STEP_COLUMNS = (
    "name",
    "service",
    "position",
    "state",
    "attempt",
    "progress",
    "message",
    "figures",
    "queued_at",
    "started_at",
    "finished_at",
    "error",
)


def known_request(
    session: Session, user_id: str, key: str | None, request_sha256: str
) -> Task | None:
    """The task that an earlier request with the same Idempotency-Key made.

    Of two such requests at the same moment the second meets the unique constraint (IntegrityError)
    when it submits, and asking again gives the first one's task.
    """
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
    after: Cursor | None,
    limit: int,
) -> list[Task]:
    """The newest tasks after the cursor, at most `limit`; of everybody when `user_id` is None."""
    query = select(Task).order_by(Task.created_at.desc(), Task.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(Task.user_id == user_id)
    if state is not None:
        query = query.where(Task.state == state)
    if pipeline is not None:
        query = query.where(Task.pipeline == pipeline)
    if after is not None:
        query = query.where(tuple_(Task.created_at, Task.id) < (after.moment, after.id))
    return list(session.scalars(query))


def steps_of(
    session: Session, task_ids: Sequence[str], language: str = DEFAULT
) -> dict[str, list[StepView]]:
    """The newest attempt of every step, by task, in order."""
    newest: dict[str, dict[str, StepRun]] = defaultdict(dict)
    for run in session.scalars(
        select(StepRun).where(StepRun.task_id.in_(task_ids)).order_by(StepRun.attempt)
    ):
        newest[run.task_id][run.name] = run
    return {
        task_id: [_step(run, language) for run in sorted(runs.values(), key=lambda r: r.position)]
        for task_id, runs in newest.items()
    }


def _step(run: Any, language: str) -> StepView:
    """`run` is a StepRun, or a row with the same names."""
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
        error=failures.shown(run.error, language),
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


def views(session: Session, tasks: Sequence[Task], language: str = DEFAULT) -> list[TaskView]:
    """Tasks with their steps and outputs, in two more queries however many there are.

    `language`: in which it is said why something failed.
    """
    ids = [t.id for t in tasks]
    steps, outputs = steps_of(session, ids, language), outputs_of(session, ids)
    return [
        TaskView(
            task_id=t.id,
            user_id=t.user_id,
            pipeline=t.pipeline,
            state=State(t.state),
            options=_shown(t.options),
            results={k: v for k, v in t.context.items() if k not in t.options},
            error=failures.shown(t.error, language),
            created_at=t.created_at,
            started_at=t.started_at,
            finished_at=t.finished_at,
            steps=steps.get(t.id, []),
            outputs=outputs.get(t.id, []),
        )
        for t in tasks
    ]


def _shown(options: dict[str, Any]) -> dict[str, Any]:
    """The options without addresses of people, and without what opens or signs something."""
    shown = {k: v for k, v in options.items() if k not in HIDDEN}
    return {k: without_secrets(v) if isinstance(v, str) else v for k, v in shown.items()}


_STATUS = Prepared(
    select(
        TASK.c.user_id,
        TASK.c.state.label("task_state"),
        TASK.c.error.label("task_error"),
        *(RUN.c[name] for name in STEP_COLUMNS),
    )
    .select_from(outerjoin(TASK, RUN, RUN.c.task_id == TASK.c.id))
    .where(TASK.c.id == bindparam("task"))
)


def status(direct: Direct, task_id: str, language: str) -> tuple[str, StatusView] | None:
    """Whose a task is and how far, in one query without objects: it is what is asked most often."""
    rows = direct.run(_STATUS, task=task_id).all
    if not rows:
        return None
    attempts = sorted((r for r in rows if r.name is not None), key=lambda r: r.attempt)
    newest = {run.name: run for run in attempts}
    steps = [_step(run, language) for run in sorted(newest.values(), key=lambda r: r.position)]
    mean = sum(s.progress for s in steps) / len(steps) if steps else 0.0
    return rows[0].user_id, StatusView(
        task_id=task_id,
        state=State(rows[0].task_state),
        progress=round(mean, 4),
        error=failures.shown(rows[0].task_error, language),
        process_status=steps,
    )


def output(session: Session, task_id: str, name: str) -> Output | None:
    """One result file."""
    return session.get(Output, (task_id, name))


def own_upload(session: Session, upload_id: str, user_id: str | None) -> Upload:
    """An upload of that user, of anybody when `user_id` is None; else the same 404 as for none."""
    found = session.get(Upload, upload_id)
    if found is None or user_id not in {None, found.user_id}:
        raise NotFound(Sentence("error.no_upload", upload_id=upload_id))
    return found
