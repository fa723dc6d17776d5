"""Every query of the video processor."""

from __future__ import annotations

from sqlalchemy.orm import Session

from shared.db.models import Output
from shared.storage.port import Stored


def remember_output(session: Session, task_id: str, name: str, stored: Stored) -> None:
    """Record a result file; a second time replaces the first."""
    session.merge(
        Output(
            task_id=task_id,
            name=name,
            key=stored.key,
            uri=stored.uri,
            bytes=stored.bytes,
            sha256=stored.sha256,
            content_type=stored.content_type,
        )
    )
