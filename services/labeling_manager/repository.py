"""Every query of the labeling manager."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.labeling_manager.engines.port import LabelingStatus
from shared.db.models import Labeling, Task, now
from shared.errors import NotFound
from shared.flow.states import ENDED
from shared.messages import Sentence

OPEN, DONE, CLOSED = "OPEN", "DONE", "CLOSED"


def remember(session: Session, task_id: str, engine: str, ref: str, total: int) -> None:
    """A labeling is open from now on; a second time renews it."""
    session.merge(
        Labeling(
            task_id=task_id,
            engine=engine,
            ref=ref,
            state=OPEN,
            total=total,
            done=0,
            skipped=0,
            problems=[],
            opened_at=now(),
        )
    )


def open_labelings(session: Session) -> list[tuple[Labeling, bool]]:
    """Every labeling that is watched, and whether its task has ended meanwhile."""
    rows = session.execute(
        select(Labeling, Task.state)
        .join(Task, Task.id == Labeling.task_id)
        .where(Labeling.state == OPEN)
    )
    return [(labeling, state in ENDED) for labeling, state in rows]


def is_open(session: Session, task_id: str) -> bool:
    """Whether the labeling of this task is watched."""
    labeling = session.get(Labeling, task_id)
    return labeling is not None and labeling.state == OPEN


def is_fetching(session: Session, task_id: str) -> bool:
    """Whether labels that were finished in the tool are on their way to the storage."""
    task = session.get_one(Task, task_id)
    return task.state not in ENDED and not task.context.get("labeling_path")


def labeling_of(session: Session, task_id: str) -> Labeling:
    """The labeling of a task."""
    labeling = session.get(Labeling, task_id)
    if labeling is None:
        raise NotFound(Sentence("error.no_labeling", task_id=task_id))
    return labeling


def note_status(labeling: Labeling, status: LabelingStatus) -> bool:
    """Store what the tool says; whether anything has changed."""
    before = (labeling.total, labeling.done, labeling.skipped, labeling.problems)
    labeling.total, labeling.done, labeling.skipped = status.total, status.done, status.skipped
    labeling.rate, labeling.problems = status.rate, list(status.problems)
    labeling.polled_at = now()
    return before != (labeling.total, labeling.done, labeling.skipped, labeling.problems)
