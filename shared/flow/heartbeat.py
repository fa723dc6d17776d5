"""Keeps the leases of running work while it has nothing to report: one thread a process.

A thread for every task would cost more than a quick task does itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from shared.progress.board import StoredReport

log = structlog.get_logger()


class _Heart:
    """Renews the leases of everything in `working`, again and again."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.working: set[StoredReport] = set()
        self.every_s = 0.0

    def start(self, every_s: float) -> None:
        self.every_s = every_s
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _beat(self) -> None:
        while True:
            time.sleep(self.every_s)
            for report in tuple(self.working):
                try:
                    report.heartbeat()
                except Exception as error:  # noqa: BLE001 - the next beat may succeed
                    log.warning("flow.heartbeat.failed", error=str(error))


_lock = threading.Lock()
_heart: _Heart | None = None


@contextmanager
def kept_alive(report: StoredReport, every_s: float) -> Iterator[None]:
    """Renew the lease of `report` at least every `every_s` seconds while the block runs.

    The first caller of a process decides `every_s` for all: it is a setting of the worker.
    """
    heart = _heart_of_this_process(every_s)
    heart.working.add(report)
    try:
        yield
    finally:
        heart.working.discard(report)


def _heart_of_this_process(every_s: float) -> _Heart:
    """Threads do not survive a fork, so a child begins its own."""
    global _heart  # noqa: PLW0603 - one a process is the point
    with _lock:
        if _heart is None or _heart.pid != os.getpid():
            _heart = _Heart()
            _heart.start(every_s)
        return _heart
