"""The newest figures of running steps, for watchers; the database follows more slowly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Notes = dict[str, dict[str, Any]]  # by step: progress, message, figures, attempt


class Live(Protocol):
    """A place for figures that may be lost at any moment."""

    def show(self, task_id: str, step: str, note: dict[str, Any]) -> bool:
        """Show it to whoever watches; False when it could not be, so that the database is needed."""
        ...

    def of(self, task_ids: Sequence[str]) -> dict[str, Notes]:
        """What was shown last of each task; tasks of which nothing is known are left out."""
        ...


class NothingLive:
    """No such place: the database is written, and read, each time."""

    def show(self, task_id: str, step: str, note: dict[str, Any]) -> bool:
        """Never shown."""
        del task_id, step, note
        return False

    def of(self, task_ids: Sequence[str]) -> dict[str, Notes]:
        """Nothing."""
        del task_ids
        return {}
