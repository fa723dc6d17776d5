"""Worker and pool child learn of each other's death at once, so that a task is never lost nor run twice at a time."""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Any

from celery import bootsteps

LOOK_EVERY_S = 0.5
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class PoolWatch(bootsteps.StartStopStep):
    """A step of the Celery worker: `app.steps["worker"].add(PoolWatch)`.

    A killed child closes its pipes a moment before the kernel lets its parent collect it. Celery asks
    once, at the first, and then only every five seconds; this asks twice a second.
    """

    requires = ("celery.worker.components:Hub", "celery.worker.components:Pool")

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._timer: Any = None

    def start(self, worker: Any) -> None:
        """Begin to look; only Celery's prefork pool has children to look after."""
        look = getattr(worker.pool, "maintain_pool", None)
        if worker.hub is not None and look is not None:
            self._timer = worker.hub.call_repeatedly(LOOK_EVERY_S, look)

    def stop(self, worker: Any) -> None:
        """Look no more: the pool ends its children itself now."""
        del worker
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def end_with_worker(**_: Any) -> None:
    """Let a pool child die with its worker: `signals.worker_process_init.connect(end_with_worker)`.

    When a worker is killed, its task is delivered to another one at once; a child that lived on would
    work on the same step at the same time. Linux only; elsewhere the child ends after its task.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
