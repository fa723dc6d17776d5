"""Redis: whether it answers, and whether it throws away what it was asked to keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy.cli.doctor.finding import Finding, fine, unseen, wrong
from shared.platform import Platform

PATIENCE_S = 3.0
GOOD = ("noeviction", "volatile-")  # all that is kept here has a time to live
SET = "redis-cli config set maxmemory-policy noeviction  (and in redis.conf)"
MORE = "give Redis more memory: maxmemory in redis.conf"


def redis(platform: Platform) -> Iterator[Finding]:
    """Version, memory, and what happens when the memory is full.

    The counters of parallel work lie here. Evicted ones are made up for, but that costs a minute.
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
        told: dict[str, Any] = client.info()
        yield fine("cache", f"Redis {told['redis_version']}, {told['used_memory_human']} used")
        yield _eviction(told)
    finally:
        client.close()


def _eviction(told: dict[str, Any]) -> Finding:
    what, policy = "cache eviction", told.get("maxmemory_policy")
    if policy is None:
        return unseen(what, "the server does not tell its policy", f"must be {GOOD[0]}")
    if not str(policy).startswith(GOOD):
        return wrong(what, f"{policy}: whatever was not used lately may vanish", SET)
    if evicted := int(told.get("evicted_keys", 0)):
        return wrong(what, f"{policy}; {evicted} keys had to go since the server started", MORE)
    return fine(what, f"{policy}, none had to go")
