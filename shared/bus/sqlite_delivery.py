"""When a connection looks into the broker file, and what it does while there is nothing.

It looks when its bell rings, when a delayed message is due, and at least every second; in between it
sleeps. Two ways of waiting share this: `drain` blocks the calling thread, and `join_loop` hangs the
connection into kombu's event loop, which Celery's prefork worker runs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from kombu.log import get_logger

from shared.bus.sqlite_bell import Bell
from shared.bus.sqlite_store import Store

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
POLL_EVERY_S = 0.02  # in the event loop, where the file system has no pipes
TIDY_EVERY_S = 600.0
BURST = 10  # messages per turn of the event loop, so that results of running tasks are read too
_SOON_S = 0.001


class Delivery:
    """Brings messages of one connection to its consumers, by `deliver_one`."""

    def __init__(self, store: Store, deliver_one: Callable[[], bool]) -> None:
        self._store = store
        self._deliver_one = deliver_one
        self._bell: Bell | None = None
        self._look_at = 0.0  # monotonic time of the next look
        self._reap_at = 0.0
        self._tidy_at = 0.0
        self._next_due = LOOK_EVERY_S  # seconds until a delayed message is due
        self._owed: list[Callable[[], None]] = []
        self._loop: Any = None
        self._repeated: Any = None
        self._timer_at = 0.0

    @property
    def bell(self) -> Bell:
        """The bell of this connection; publishers never need one."""
        if self._bell is None:
            self._bell = Bell(self._store.database)
        return self._bell

    def look_soon(self) -> None:
        """Something changed that lets us take messages: a consumer came, a place became free."""
        self._look_at = 0.0
        if self._bell is not None:
            self._bell.ring()

    def expect(self, due_at: float | None) -> None:
        """A message of ours waits until `due_at` (wall clock); look again then."""
        if due_at is not None:
            self._next_due = min(self._next_due, max(_SOON_S, due_at - time.time()))

    def settle(self, action: Callable[[], None]) -> None:
        """Acknowledge or give back; if the file cannot be written now (disk full), do it later.

        It must not be forgotten: this process lives, so nobody else would ever free the message.
        """
        try:
            action()
        except sqlite3.OperationalError as error:
            log.warning("The broker file cannot be written now (%s); trying again.", error)
            self._owed.append(action)
        self.look_soon()

    def drain(self, timeout: float | None) -> None:
        """Block until one message is delivered; `TimeoutError` after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        self._look_at = 0.0
        while not self._turn():
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError
            until = self._look_at if deadline is None else min(self._look_at, deadline)
            self.bell.wait(until - now)

    def join_loop(self, loop: Any) -> None:
        """Deliver from kombu's event loop from now on.

        All work is done when the loop reads the bell, and timers only ring it: what the loop calls
        before it sleeps (`on_tick`) has no order, and the pool would send our task a second late.
        """
        self._loop = loop
        if self.bell.pipe is not None:
            loop.add_reader(self.bell.pipe, self._work)
            self._repeated = loop.call_repeatedly(LOOK_EVERY_S, self.look_soon)
        else:
            self._repeated = loop.call_repeatedly(POLL_EVERY_S, self._work)
        self.look_soon()

    def close(self) -> None:
        """Leave the loop and take the bell down."""
        if self._loop is not None:
            self._repeated.cancel()
            if self._bell is not None and self._bell.pipe is not None:
                self._loop.remove_reader(self._bell.pipe)
            self._loop = None
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def _work(self) -> None:
        for _ in range(BURST):
            if not self._turn():
                self._expect_due()
                return
        self.bell.ring()  # there may be more, after the loop did its other work

    def _expect_due(self) -> None:
        """Set the loop's timer when a message is due before the next regular look."""
        now = time.monotonic()
        if self._next_due < LOOK_EVERY_S and not now < self._timer_at <= self._look_at:
            self._timer_at = self._look_at
            self._loop.call_later(max(0.0, self._look_at - now), self.look_soon)

    def _turn(self) -> bool:
        """Look if there is reason to; True when a message was delivered."""
        now = time.monotonic()
        if not self.bell.has_rung() and now < self._look_at:
            return False
        self._keep_house(now)
        self._next_due = LOOK_EVERY_S
        if self._deliver_one():
            self._look_at = 0.0
            self.bell.busy()
            return True
        self._look_at = now + self._next_due
        return False

    def _keep_house(self, now: float) -> None:
        if now < self._reap_at:
            return
        self._reap_at = now + LOOK_EVERY_S
        owed, self._owed = self._owed, []
        try:
            while owed:
                owed[0]()
                owed.pop(0)
            self._store.reap()
            if now >= self._tidy_at:
                self._tidy_at = now + TIDY_EVERY_S
                self._store.tidy()
        except sqlite3.OperationalError as error:
            log.warning("The broker file cannot be kept in order now: %s", error)
            self._owed = owed + self._owed
