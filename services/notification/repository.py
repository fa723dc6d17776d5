"""Every query of notification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from shared.bus.outbox import first_time
from shared.db.models import Incoming, Task, User


@dataclass(frozen=True)
class Reader:
    """Who is told about a task, where, and about what."""

    language: str
    urls: tuple[str, ...]
    steps: frozenset[str]
    context: dict[str, Any]


def reader(session: Session, task_id: str) -> Reader | None:
    """The reader of a task's news; addresses of the task come before those of the user."""
    task = session.get(Task, task_id)
    user = session.get(User, task.user_id) if task else None
    if task is None or user is None:
        return None
    wish = task.options.get("notify") or {}
    return Reader(
        language=user.language,
        urls=tuple(wish.get("urls") or user.notify_urls),
        steps=frozenset(wish.get("steps") or ()),
        context=task.context,
    )


def was_sent(session: Session, event_id: str, address: str) -> bool:
    """Whether this address has got the news of this event."""
    return session.get(Incoming, (f"notification:{address}", event_id)) is not None


def mark_sent(session: Session, event_id: str, address: str) -> None:
    """Remember it; called after the message was handed over."""
    first_time(session, f"notification:{address}", event_id)
