"""What has happened to tasks, for those who watch them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db.models import Task, TaskEvent
from shared.flow.states import ENDED

EVENT_COLUMNS = (
    TaskEvent.id,
    TaskEvent.task_id,
    TaskEvent.step,
    TaskEvent.kind,
    TaskEvent.data,
    TaskEvent.at,
)


def events_after(
    session: Session, positions: Mapping[str, int]
) -> dict[str, tuple[list[Any], bool]]:
    """What happened to each task since its position, and whether it had ended before that was read.

    In this order: the other way round, the end could come between the two and its event be missed.
    A task that is gone has ended.
    """
    ids = list(positions)
    alive = {
        task_id
        for task_id, state in session.execute(select(Task.id, Task.state).where(Task.id.in_(ids)))
        if state not in ENDED
    }
    rows = session.execute(
        select(*EVENT_COLUMNS)
        .where(TaskEvent.task_id.in_(ids), TaskEvent.id > min(positions.values()))
        .order_by(TaskEvent.id)
    )
    found: dict[str, list[Any]] = {task_id: [] for task_id in ids}
    for row in rows:
        if row.id > positions[row.task_id]:
            found[row.task_id].append(row)
    return {task_id: (events, task_id not in alive) for task_id, events in found.items()}
