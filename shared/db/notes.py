"""What the watchers of a task read: one row for everything that happened to it."""

from __future__ import annotations

from sqlalchemy import bindparam, insert

from shared.db.base import table
from shared.db.models import TaskEvent
from shared.db.prepared import Prepared

NOTE = Prepared(
    insert(table(TaskEvent)).values(
        task_id=bindparam("task"),
        step=bindparam("step"),
        kind=bindparam("kind"),
        data=bindparam("data"),
        at=bindparam("at"),
    )
)
