"""The states of tasks and steps."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """PENDING -> QUEUED -> RUNNING (-> WAITING) -> SUCCEEDED | FAILED | CANCELLED (-> DELETING)."""

    PENDING = "PENDING"  # its turn has not come
    QUEUED = "QUEUED"  # asked for, not yet begun
    RUNNING = "RUNNING"
    WAITING = "WAITING"  # for people, or for a server elsewhere
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DELETING = "DELETING"  # a task whose owner wants nothing of it any more; then it is gone


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.DELETING})
OPEN = frozenset(State) - ENDED
