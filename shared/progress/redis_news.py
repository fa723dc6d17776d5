"""News and live figures through Redis; without it everything is a little later, nothing is lost."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import redis
import structlog
from sqlalchemy.orm import Session, sessionmaker

from shared.progress.news import DatabaseNews
from shared.redaction import without_secrets

CHANNEL = "actverse.news"
KEPT_S = 24 * 3600
REST_S = 5.0  # Redis is not asked again for so long after it failed
CONNECT_S = 0.5
ANSWER_S = 1.0
T = TypeVar("T")
log = structlog.get_logger()


class Redis:
    """One Redis, asked only while it answers; safe after a fork."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: redis.Redis | None = None
        self._pid = 0
        self._rest_until = 0.0

    def client(self) -> redis.Redis:
        """The client of this process; its sockets are its own."""
        if self._client is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._client = redis.Redis.from_url(
                self._url,
                socket_connect_timeout=CONNECT_S,
                socket_timeout=ANSWER_S,
                decode_responses=True,
            )
        return self._client

    def ask(self, question: Callable[[redis.Redis], T], otherwise: T) -> T:
        """What Redis answers, or `otherwise` while it is away."""
        if time.monotonic() < self._rest_until:
            return otherwise
        try:
            return question(self.client())
        except (redis.RedisError, OSError) as error:
            self._rest_until = time.monotonic() + REST_S
            log.warning("redis.away", where=without_secrets(self._url), error=str(error))
            return otherwise


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
        message = self._subscription.get_message(timeout=timeout_s)
        while message is not None:
            tasks.update(str(message["data"]).split())
            message = self._subscription.get_message(timeout=0)
        return tasks


def _subscribe(client: redis.Redis) -> Any:
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(CHANNEL)
    return subscription


class LiveFigures:
    """The newest progress of every running step, in a hash a task; the database follows slower."""

    def __init__(self, url: str) -> None:
        self._redis = Redis(url)

    def show(self, task_id: str, step: str, note: dict[str, Any]) -> bool:
        """Write and announce it; False when Redis is away, so that the database is written."""
        key = _key(task_id)

        def write(client: redis.Redis) -> bool:
            with client.pipeline(transaction=False) as pipe:
                pipe.hset(key, step, json.dumps(note))
                pipe.expire(key, KEPT_S)
                pipe.publish(CHANNEL, task_id)
                pipe.execute()
            return True

        return self._redis.ask(write, otherwise=False)

    def of(self, task_id: str) -> dict[str, dict[str, Any]]:
        """By step: `progress`, `message`, `figures`, `attempt`; empty while Redis is away."""
        nothing: dict[Any, Any] = {}
        found = self._redis.ask(lambda client: client.hgetall(_key(task_id)), nothing)
        return {step: json.loads(note) for step, note in found.items()}


def _key(task_id: str) -> str:
    return f"actverse:progress:{task_id}"
