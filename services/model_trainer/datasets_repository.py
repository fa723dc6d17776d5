"""Every query about versions of data sets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from shared.db.learning_models import Dataset, Round
from shared.errors import NotFound


def root_id_of(session: Session, task_id: str) -> str:
    """The task of round one, whichever round `task_id` is."""
    found = session.scalar(select(Round.root_id).where(Round.task_id == task_id))
    return found or task_id


def versions_of(session: Session, root_id: str) -> list[Dataset]:
    """All versions, the first first."""
    query = select(Dataset).where(Dataset.root_id == root_id)
    return list(session.scalars(query.order_by(Dataset.number, Dataset.created_at)))


def version_of(session: Session, root_id: str, sha256: str) -> Dataset | None:
    """One version."""
    return session.get(Dataset, (root_id, sha256))


def newest_version(session: Session, root_id: str) -> Dataset | None:
    """The one with the highest number."""
    query = select(Dataset).where(Dataset.root_id == root_id)
    return session.scalar(query.order_by(Dataset.number.desc()).limit(1))


def version_named(session: Session, root_id: str, name: str) -> Dataset:
    """The version whose sha256 is or begins with `name` (at least 8 digits)."""
    found = [each for each in versions_of(session, root_id) if each.sha256.startswith(name)]
    if len(name) < 8 or len(found) != 1:
        raise NotFound(
            f"Task {root_id} has no data set {name[:64]!r}; GET /datasets/{root_id} lists them."
        )
    return found[0]


def remember_version(sessions: sessionmaker[Session], columns: dict[str, Any]) -> int:
    """Store a version under the next number; one that is there keeps the number it has."""
    root_id, sha256 = columns["root_id"], columns["sha256"]
    try:
        with sessions.begin() as session:
            last = session.scalar(
                select(func.max(Dataset.number)).where(Dataset.root_id == root_id)
            )
            session.add(Dataset(**columns, number=(last or 0) + 1))
    except IntegrityError:  # somebody else has stored it meanwhile
        with sessions() as session:
            if session.get(Dataset, (root_id, sha256)) is None:
                raise
    with sessions() as session:
        return session.get_one(Dataset, (root_id, sha256)).number
