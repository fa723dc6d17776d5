"""A piece of the S3 server's pipeline: what a memcached would keep, in the proxy itself.

Without one Swift asks its account and its container again at every request, which is half its work.
There is one proxy, and so nobody else who could change what is remembered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

Application = Callable[..., Any]


class Memory:
    """The part of a memcached client that the proxy calls; values pass through JSON as there."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, key: str, **_: object) -> Any:
        until, value = self._kept.get(key, (0.0, "null"))
        return json.loads(value) if time.monotonic() < until else None

    def set(self, key: str, value: object, time: float = 0, **_: object) -> None:
        self._kept[key] = (_end_of(time), json.dumps(value))

    def delete(self, key: str, **_: object) -> None:
        self._kept.pop(key, None)


def _end_of(seconds: float) -> float:
    return time.monotonic() + seconds if seconds else float("inf")


def filter_factory(
    global_conf: dict[str, str], **local_conf: str
) -> Callable[[Application], Application]:
    """What the `paste.filter_factory` of `proxy-server.conf` names."""
    del global_conf, local_conf
    memory = Memory()

    def wrap(application: Application) -> Application:
        def remembering(environment: dict[str, Any], start: Callable[..., Any]) -> Any:
            environment["swift.cache"] = memory
            return application(environment, start)

        return remembering

    return wrap
