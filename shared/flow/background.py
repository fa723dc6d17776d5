"""One thread a process for what need not hold up the work: leases, progress bars, results in between.

A thread for every task would cost more than a quick task does itself, and so would moving the bar
of its step: bars move at once when they have not for a while, else a little later.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from sqlalchemy import Engine

from shared.db.direct import Write, alone
from shared.progress.board import StoredReport

LOOK_EVERY_S = 0.5
FORGET_AFTER_S = 60.0
log = structlog.get_logger()


class Background:
    """The thread, and what it has to do."""

    def __init__(self, beat_every_s: float) -> None:
        self.pid = os.getpid()
        self._beat_every_s = beat_every_s
        self._working: set[StoredReport] = set()
        self._moved_at: dict[int, float] = {}  # step run -> when this process last moved its bar
        self._owed: dict[int, tuple[float, Callable[[], object]]] = {}
        self._unstored: deque[tuple[Engine, Write]] = deque()
        threading.Thread(target=self._run, name="background", daemon=True).start()

    @contextmanager
    def keeping(self, report: StoredReport) -> Iterator[None]:
        """Renew the lease of `report` again and again while the block runs."""
        self._working.add(report)
        try:
            yield
        finally:
            self._working.discard(report)

    def bar_is_due(self, step_run_id: int, every_s: float) -> bool:
        """Whether the bar should move now; True at most once in `every_s`.

        Not at the first question: that the step runs has just been told.
        """
        now = time.monotonic()
        if now - self._moved_at.setdefault(step_run_id, now) < every_s:
            return False
        self._moved_at[step_run_id] = now
        self.bar_is_moved(step_run_id)
        return True

    def bar_is_moved(self, step_run_id: int) -> None:
        """Nothing is owed to this bar any more."""
        self._owed.pop(step_run_id, None)

    def owe(self, step_run_id: int, every_s: float, move: Callable[[], object]) -> None:
        """Call `move` once `every_s` have passed since the bar last moved, if nobody did before."""
        self._owed.setdefault(step_run_id, (self._moved_at[step_run_id] + every_s, move))

    def store_soon(self, engine: Engine, write: Write) -> None:
        """Store it with the next thing that this process stores, or within `LOOK_EVERY_S`."""
        self._unstored.append((engine, write))

    def unstored(self) -> list[Write]:
        """What `store_soon` was told, for the caller to store now."""
        return [write for _, write in self._taken()]

    def _taken(self) -> Iterator[tuple[Engine, Write]]:
        while True:
            try:
                yield self._unstored.popleft()  # each goes to one: the worker, or the thread
            except IndexError:
                return

    def _run(self) -> None:
        beat_at = time.monotonic() + self._beat_every_s
        while True:
            time.sleep(LOOK_EVERY_S)  # nobody wakes it: that would cost each quick task a switch
            now = time.monotonic()
            for engine, (prepared, values) in self._taken():
                _try(partial(alone, engine, prepared, **values))
            for step_run_id, (at, move) in tuple(self._owed.items()):
                if at <= now and self._owed.pop(step_run_id, None) is not None:
                    self._moved_at[step_run_id] = now
                    _try(move)
            if now >= beat_at:
                beat_at = now + self._beat_every_s
                for report in tuple(self._working):
                    _try(report.heartbeat)
                for step_run_id, moved_at in tuple(self._moved_at.items()):
                    if now - moved_at > FORGET_AFTER_S:
                        self._moved_at.pop(step_run_id, None)


def _try(action: Callable[[], object]) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - the next time may succeed
        log.warning("flow.background.failed", error=str(error))


_lock = threading.Lock()
_background: Background | None = None


def background(beat_every_s: float) -> Background:
    """That of this process; threads do not survive a fork, so a child begins its own."""
    global _background  # noqa: PLW0603 - one a process is the point
    with _lock:
        if _background is None or _background.pid != os.getpid():
            _background = Background(beat_every_s)
        return _background
