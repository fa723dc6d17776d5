"""Redis: whether it answers, and whether it throws away what it was asked to keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy.cli.doctor.finding import Finding, fine, unseen, wrong
from shared.platform import Platform

PATIENCE_S = 3.0
KEEP = "noeviction"
SET = f"redis-cli config set maxmemory-policy {KEEP}  (and in redis.conf)"


def redis(platform: Platform) -> Iterator[Finding]:
    """Version, memory, and what happens when the memory is full.

    The counters of parallel work lie here: evicted ones are made up for only after some time.
    """
    if not platform.settings.cache:
        yield fine("cache", "none; the broker's file keeps results and progress")
        return
    import redis as library

    client = library.Redis.from_url(
        platform.settings.cache,
        socket_connect_timeout=PATIENCE_S,
        socket_timeout=PATIENCE_S,
        decode_responses=True,
    )
    try:
        told: Any = client.info()
        yield fine("cache", f"Redis {told['redis_version']}, {told['used_memory_human']} used")
        try:
            policy = dict(client.config_get("maxmemory-policy")).get("maxmemory-policy")
        except library.ResponseError:  # managed servers keep their configuration to themselves
            policy = told.get("maxmemory_policy")
        if policy is None:
            yield unseen("cache eviction", "the server does not tell its policy", f"must be {KEEP}")
        elif policy != KEEP:
            yield wrong("cache eviction", f"{policy}: counters of parallel work may vanish", SET)
        else:
            yield fine("cache eviction", KEEP)
    finally:
        client.close()
