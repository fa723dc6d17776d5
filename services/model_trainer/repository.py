"""Every query of the trainer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from shared.db.models import Epoch, Model


def forget_epochs(session: Session, task_id: str) -> None:
    """A new attempt starts its own history."""
    session.execute(delete(Epoch).where(Epoch.task_id == task_id))


def epochs_of(session: Session, task_id: str) -> list[Epoch]:
    """The figures of every epoch so far, in order."""
    query = select(Epoch).where(Epoch.task_id == task_id).order_by(Epoch.epoch)
    return list(session.scalars(query))


def remember_model(session: Session, **columns: Any) -> Model:
    """Register a version; a second time returns the first."""
    found = session.scalar(
        select(Model).where(Model.name == columns["name"], Model.version == columns["version"])
    )
    if found is None:
        found = Model(**columns)
        session.add(found)
    return found


def model_of(session: Session, task_id: str) -> Model | None:
    """The newest model that a task has made."""
    return session.scalar(
        select(Model).where(Model.task_id == task_id).order_by(Model.version.desc())
    )
