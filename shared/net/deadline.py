"""A time-out for a whole exchange: one byte now and then cannot stretch it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpcore


class Deadline:
    """A moment after which nobody waits any more."""

    def __init__(self, total_s: float) -> None:
        self._at = time.monotonic() + total_s

    def left_s(self, timeout: float | None, late: Callable[[str], Exception]) -> float:
        """`timeout`, or what is left when that is less; raises `late` when nothing is left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise late("the time for the whole exchange is over")
        return left if timeout is None else min(timeout, left)


class TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived."""
        left_s = self._deadline.left_s(timeout, httpcore.ReadTimeout)
        return self._inner.read(max_bytes, left_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self._inner.write(buffer, self._deadline.left_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """End the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted; it ends at the same deadline."""
        left_s = self._deadline.left_s(timeout, httpcore.ConnectTimeout)
        secured = self._inner.start_tls(ssl_context, server_hostname, left_s)
        return TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """As of the connection within."""
        return self._inner.get_extra_info(info)
