"""A worker learns at once of the death of a pool child, so that its task is soon run by another."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

LOOK_EVERY_S = 0.5


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
