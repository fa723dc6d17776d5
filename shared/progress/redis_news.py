"""News through Redis; without it they are a little later, nothing is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from functools import partial
from queue import SimpleQueue
from typing import Any

import redis
import structlog
from sqlalchemy.orm import Session, sessionmaker

from shared.progress.news import LOOK_EVERY_S, DatabaseNews
from shared.progress.redis_client import Redis

CHANNEL = "actverse.news"
_beginning = threading.Lock()
log = structlog.get_logger()


class RedisNews:
    """Told by publish / subscribe; the database is looked at while Redis is away."""

    def __init__(self, url: str, reads: sessionmaker[Session]) -> None:
        self._redis = Redis(url)
        self._database = DatabaseNews(reads)
        # of what SQLite commits nobody tells (`shared.db.at_commit`): it is near enough to be asked
        self._is_told = reads.kw["bind"].dialect.name != "sqlite"
        self._subscription: Any = None
        self._lock = threading.Lock()
        self._pid = 0
        self._untold: SimpleQueue[set[str]] = SimpleQueue()

    def tell(self, task_ids: Iterable[str]) -> None:
        """Have the ids published by a thread: whoever has just committed does not wait for Redis."""
        ids = set(task_ids)
        if not ids:
            return
        if self._pid != os.getpid():
            self._begin()
        self._untold.put(ids)

    def _begin(self) -> None:
        """A queue and a thread of this process's own: neither survives a fork."""
        with _beginning:
            if self._pid == os.getpid():
                return
            self._untold = SimpleQueue()
            threading.Thread(
                target=self._publish, args=(self._untold,), name="news", daemon=True
            ).start()
            self._pid = os.getpid()

    def _publish(self, untold: SimpleQueue[set[str]]) -> None:
        """What was told meanwhile goes in one message."""
        while True:
            ids = untold.get()
            while not untold.empty():
                ids |= untold.get()
            text = " ".join(sorted(ids))
            self._redis.ask(partial(_publish, text=text), None)

    def since(self, timeout_s: float) -> set[str] | None:
        """Wait for messages; a new subscription has missed what was told before it."""
        with self._lock:
            if self._subscription is None:
                self._subscription = self._redis.ask(_subscribe, None)
                if self._subscription is None:
                    return self._database.since(timeout_s)
                if not self._is_told:
                    self._database.since(0.0)  # learns where to begin
                return None
            try:
                return self._listen(timeout_s) if self._is_told else self._look_too(timeout_s)
            except (redis.RedisError, OSError) as error:
                log.warning("redis.news.lost", error=str(error))
                self._subscription = None
                return None

    def _look_too(self, timeout_s: float) -> set[str] | None:
        deadline = time.monotonic() + timeout_s
        while True:
            stored = self._database.since(0.0)
            if stored is None:
                return None
            tasks = stored | self._listen(LOOK_EVERY_S)
            if tasks or time.monotonic() >= deadline:
                return tasks

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


def _publish(client: redis.Redis, text: str) -> None:
    client.publish(CHANNEL, text)
