"""Celery's consumer of task messages, which loses none of them."""

from __future__ import annotations

from typing import Any

import structlog
from celery.worker.consumer import Consumer

log = structlog.get_logger()


class TaskConsumer(Consumer):
    """Parks what cannot be read; Celery's own would acknowledge it, and nobody would ever know."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """No JSON, or another serializer than we accept."""
        log.error("flow.task.unreadable", error=str(exc), headers=message.headers.get("task"))
        message.reject(requeue=False)
