"""Celery's results in Redis, for chords only: what was done is written in the database."""

from __future__ import annotations

from typing import Any

import structlog
from celery.backends.redis import RedisBackend

log = structlog.get_logger()


class RedisResults(RedisBackend):
    """Celery's own, without listening for results: nobody waits for one.

    Its publisher would subscribe to every task that it sends, and never unsubscribe.
    """

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do not subscribe."""
        del producer, task_id

    def mark_as_failure(self, task_id: str, exc: BaseException, *args: Any, **kwargs: Any) -> None:
        """Tell the chord of a failed part, if Redis can be reached.

        A worker does this before it gives the message of refused work back: an error here would
        leave the message in its hands for ever, and the worker deaf. The reviver does without Redis.
        """
        try:
            super().mark_as_failure(task_id, exc, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - see above, whatever it is
            log.warning("bus.results.away", task_id=task_id, error=str(error))

    def add_pending_result(self, result: Any, *args: Any, **kwargs: Any) -> Any:
        """Building a chord would subscribe too, and fail while Redis is away."""
        del args, kwargs
        return result

    def add_pending_results(self, results: Any, *args: Any, **kwargs: Any) -> Any:
        """The same for several."""
        del args, kwargs
        return results

    def on_result_fulfilled(self, result: Any) -> None:
        """There is no subscription to end."""
        del result


def register() -> None:
    """Make the scheme `actverse-redis+redis` known as a result backend."""
    from celery.app.backends import BACKEND_ALIASES

    BACKEND_ALIASES["actverse-redis"] = "shared.bus.redis_results:RedisResults"
