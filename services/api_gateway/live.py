"""What watchers see before it is stored: the newest figures of running steps."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from sse_starlette import ServerSentEvent

from services.api_gateway.schemas import StatusView
from shared.db.models import StepRun
from shared.flow.states import State
from shared.progress.live import Notes


def fresher(view: StatusView, notes: Notes) -> StatusView:
    """`view` with the live figures of the steps that run; never behind what is stored."""
    steps = [
        step.model_copy(update={n: note[n] for n in ("progress", "message", "figures")})
        if (note := _of(step.state, step.attempt, notes.get(step.step)))
        and note["progress"] >= step.progress
        else step
        for step in view.process_status
    ]
    mean = sum(step.progress for step in steps) / len(steps) if steps else 0.0
    return view.model_copy(update={"process_status": steps, "progress": round(mean, 4)})


def _of(state: State, attempt: int, note: dict[str, Any] | None) -> dict[str, Any] | None:
    """The note, if it is about the attempt that runs."""
    return note if note and state == State.RUNNING and note["attempt"] == attempt else None


def of_running(session: Session, shown: dict[str, Notes]) -> dict[str, Notes]:
    """Only what is about attempts that run: a note outlives the step that it is about."""
    if not shown:
        return {}
    running = {
        (run.task_id, run.name): run.attempt
        for run in session.execute(
            select(StepRun.task_id, StepRun.name, StepRun.attempt)
            .where(StepRun.task_id.in_(shown), StepRun.state == State.RUNNING)
            .order_by(StepRun.attempt)
        )
    }
    return {
        task_id: {
            step: note
            for step, note in notes.items()
            if running.get((task_id, step)) == note["attempt"]
        }
        for task_id, notes in shown.items()
    }


def rendered(task_id: str, notes: Notes) -> bytes:
    """Live figures as events `progress` of a stream; without an id, because they are not stored."""
    return b"".join(
        ServerSentEvent(
            event="progress", data=json.dumps({"task_id": task_id, "step": step, **note})
        ).encode()
        for step, note in sorted(notes.items())
    )
