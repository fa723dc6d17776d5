"""Which tasks have news: one question for all who watch, however many they are."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from shared.db.models import TaskEvent

LOOK_EVERY_S = 0.25
LATE_S = 10.0  # a transaction may commit so long after it took its ids
UNASKED_S = 60.0  # who was not asked for so long begins anew, and need not read what was missed


class News(Protocol):
    """Tells that something was written about a task; what it was stands in the database."""

    def tell(self, task_ids: Iterable[str]) -> None:
        """Something about these tasks was committed. Best effort; never raises, never waits."""
        ...

    def since(self, timeout_s: float) -> set[str] | None:
        """The tasks with news since the last call, once there are any, or after `timeout_s`.

        None: not known, look at every task that is watched. One reader a process.
        """
        ...


class DatabaseNews:
    """Looks into the database again and again: for one machine, or where Redis is away.

    Ids are not committed in the order in which they were taken, so those of the last seconds are
    asked for again, and the ones that were told before are left out.
    """

    def __init__(self, reads: sessionmaker[Session]) -> None:
        self._reads = reads
        self._told: dict[int, float] = {}  # id -> when it was told
        self._floor: int | None = None
        self._asked = 0.0

    def tell(self, task_ids: Iterable[str]) -> None:
        """Nothing to do: who looks finds it."""
        del task_ids

    def since(self, timeout_s: float) -> set[str] | None:
        """Look until something is there; the first call only learns where to begin."""
        silent_s, self._asked = time.monotonic() - self._asked, time.monotonic()
        deadline = self._asked + timeout_s
        if self._floor is None or silent_s > UNASKED_S:
            self._floor, self._told = self._newest(), {}
            return None
        while not (tasks := self._look()):
            left = deadline - time.monotonic()
            if left <= 0:
                return set()
            time.sleep(min(LOOK_EVERY_S, left))
        return tasks

    def _newest(self) -> int:
        with self._reads() as session:
            found = session.scalar(select(TaskEvent.id).order_by(TaskEvent.id.desc()).limit(1))
        return found or 0

    def _look(self) -> set[str]:
        with self._reads() as session:
            rows = session.execute(
                select(TaskEvent.id, TaskEvent.task_id).where(TaskEvent.id > self._floor)
            ).all()
        at = time.monotonic()
        tasks = {task_id for event_id, task_id in rows if event_id not in self._told}
        for event_id, _ in rows:
            self._told.setdefault(event_id, at)
        old = [event_id for event_id, told in self._told.items() if at - told > LATE_S]
        if old:
            self._floor = max(self._floor or 0, *old)
            self._told = {i: told for i, told in self._told.items() if i > self._floor}
        return tasks
