"""One Redis, asked only while it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog

from shared.redaction import without_secrets

REST_S = 5.0  # Redis is not asked again for so long after it failed
CONNECT_S = 0.5
ANSWER_S = 1.0
T = TypeVar("T")
log = structlog.get_logger()


class Redis:
    """The Redis at `url`; safe in threads and after a fork."""

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
