"""News through Redis; without it they are a little later, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import redis
import structlog
from sqlalchemy.orm import Session, sessionmaker

from shared.progress.news import DatabaseNews
from shared.progress.redis_client import Redis

CHANNEL = "actverse.news"
log = structlog.get_logger()


class RedisNews:
    """Told by publish / subscribe; the database is looked at while Redis is away."""

    def __init__(self, url: str, reads: sessionmaker[Session]) -> None:
        self._redis = Redis(url)
        self._database = DatabaseNews(reads)
        self._subscription: Any = None
        self._lock = threading.Lock()

    def tell(self, task_ids: Iterable[str]) -> None:
        """Publish the ids, in one message."""
        text = " ".join(sorted(set(task_ids)))
        if text:
            self._redis.ask(lambda client: client.publish(CHANNEL, text), 0)

    def since(self, timeout_s: float) -> set[str] | None:
        """Wait for messages; a new subscription has missed what was told before it."""
        with self._lock:
            if self._subscription is None:
                self._subscription = self._redis.ask(_subscribe, None)
                return None if self._subscription is not None else self._database.since(timeout_s)
            try:
                return self._listen(timeout_s)
            except (redis.RedisError, OSError) as error:
                log.warning("redis.news.lost", error=str(error))
                self._subscription = None
                return None

    def _listen(self, timeout_s: float) -> set[str]:
        tasks: set[str] = set()
        deadline = time.monotonic() + timeout_s
        while True:
            left = 0.0 if tasks else max(0.0, deadline - time.monotonic())
            message = self._subscription.get_message(timeout=left)
            if message is None and (tasks or left == 0.0):
                return tasks
            if message is not None and message["type"] == "message":
                tasks.update(str(message["data"]).split())


def _subscribe(client: redis.Redis) -> Any:
    subscription = client.pubsub()
    subscription.subscribe(CHANNEL)
    return subscription
