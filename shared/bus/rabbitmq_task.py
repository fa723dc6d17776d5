"""Celery's task class for RabbitMQ, whose native delays are whole seconds, one at least."""

from __future__ import annotations

import math
from typing import Any

from celery import Task


class WholeSecondsTask(Task):
    """Rounds every countdown up: the delay's bits are the path of the message through the broker."""

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Send; a `countdown` below a second would be refused."""
        if options.get("countdown") is not None:
            options["countdown"] = max(1, math.ceil(options["countdown"]))
        return super().apply_async(
            args, kwargs, task_id, producer, link, link_error, shadow, **options
        )
