"""What an analysis server says of a comparison to whoever has asked for it and missed the call."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ScalarSelect, func, or_, select
from sqlalchemy.orm import Session

from services.audio_analyzer import problems
from services.audio_analyzer.analysis_errors import NoAnalysis
from services.audio_analyzer.remote_schemas import GOING_ON
from services.audio_analyzer.service import result_of
from shared import failures
from shared.admission.callers import Caller
from shared.db.models import StepRun, Task, WorkRun
from shared.errors import Terminal
from shared.flow.states import ENDED, State
from shared.messages import Sentence
from shared.pipelines.speech import ANALYSIS_SERVICE
from shared.platform import Platform


def standing(platform: Platform, caller: Caller, key: str) -> dict[str, Any]:
    """What the webhook was told or will be, as soon as it is known; `NoAnalysis` for no such job.

    `key`: the Idempotency-Key or `job_id` that it was asked with, or its `task_id`.
    """
    query = select(Task).where(
        Task.user_id == caller.user_id,
        or_(Task.idempotency_key == key, Task.id == key),
        Task.pipeline == ANALYSIS_SERVICE.name,
        Task.state != State.DELETING,
    )
    with platform.reads() as session:
        task = session.scalar(query)
        if task is None:
            raise NoAnalysis(key)
        problem = _told_to_caller(session, task.id)
    stored = result_of(task.id)
    if problem is None and platform.storage.exists(stored):
        text = platform.storage.fetch(stored).read_text(encoding="utf-8")
        return {"status": "success", "result": json.loads(text)}
    if problem is None and task.state not in ENDED:
        return {"status": GOING_ON}
    problem = problem or _what_ended(task)
    return {"status": "failed", "message": problem["text"], "problem": problem}


def _told_to_caller(session: Session, task_id: str) -> dict[str, Any] | None:
    """Why there is no result, where the work itself has found that out."""
    query = (
        select(WorkRun.job)
        .join(StepRun, StepRun.id == WorkRun.step_run_id)
        .where(StepRun.task_id == task_id, StepRun.attempt == _latest(task_id))
    )
    jobs = [job for job in session.scalars(query) if job is not None]
    return next((job["problem"] for job in jobs if job.get("problem")), None)


def _latest(task_id: str) -> ScalarSelect[int]:
    query = select(func.max(StepRun.attempt)).where(StepRun.task_id == task_id)
    return query.scalar_subquery()


def _what_ended(task: Task) -> dict[str, Any]:
    """The same of a task that was cancelled, given up or overdue."""
    if task.error is None:
        return problems.kept(Terminal(Sentence("error.comparison_stopped")))
    told = problems.kept(Terminal(failures.message_of(task.error)))
    return told | {"code": task.error.get("code", "")}
