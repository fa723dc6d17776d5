"""The states of tasks and steps."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """PENDING -> QUEUED -> RUNNING (-> WAITING) -> SUCCEEDED | FAILED | CANCELLED."""

    PENDING = "PENDING"  # its turn has not come
    QUEUED = "QUEUED"  # asked for, not yet begun
    RUNNING = "RUNNING"
    WAITING = "WAITING"  # for people
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
OPEN = frozenset(State) - ENDED
