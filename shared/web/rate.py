"""How often somebody may ask: token buckets, shared through Redis where there is one.

A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm):
nothing has to be refilled, and an idle bucket needs no memory.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog

from shared.admission.callers import Caller, identify
from shared.errors import BadInput, TooManyRequests, Unauthorised
from shared.messages import Sentence
from shared.net.address import neighbourhood
from shared.platform import Platform
from shared.settings import Settings

BURST_S = 10.0
"""A rested caller may send at once what the rate gives in so many seconds."""
LEAST_BURST = 10
WRONG_KEYS_PER_MINUTE = 120
"""Keys that an address may try before it has to wait; known ones do not count."""
KNOWN_FOR_S = 600.0
SURE_FOR_S = 2.0
"""Nobody is asked again whose key was looked up so lately; a revoked key is good for so much longer."""
REDIS_PATIENCE_S = 0.2
AWAY_FOR_S = 5.0
MANY = 10_000  # callers remembered by one process
log = structlog.get_logger()


@dataclass(frozen=True)
class Rate:
    """How quickly a bucket fills, and how much it holds."""

    per_minute: int
    burst: int

    @classmethod
    def of(cls, per_minute: int) -> Rate:
        """`per_minute` on the long run, and some seconds of it at once."""
        return cls(per_minute, max(LEAST_BURST, round(per_minute * BURST_S / 60)))

    def seconds(self, tokens: int) -> float:
        """How long it takes until so many have come in."""
        return tokens * 60 / self.per_minute


class Buckets(Protocol):
    """Where the buckets are kept."""

    def take(self, key: str, tokens: int, rate: Rate) -> float:
        """Take `tokens` (negative: give back): 0.0, or in how many seconds they will be there."""
        ...


class LocalBuckets:
    """In this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def take(self, key: str, tokens: int, rate: Rate) -> float:
        """As the port says."""
        with self._lock:
            now = self._clock()
            if len(self._full_at) > MANY:
                self._full_at = {k: at for k, at in self._full_at.items() if at > now}
            full_at = max(self._full_at.get(key, now), now) + rate.seconds(tokens)
            wait_s = full_at - now - rate.seconds(rate.burst)
            if wait_s > 0:
                return wait_s
            self._full_at[key] = full_at
            return 0.0


TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
if full_at < now then full_at = now end
full_at = full_at + ARGV[1]
local wait = full_at - now - ARGV[2]
if wait > 0 then return string.format('%.6f', wait) end
local kept = math.ceil((full_at - now) * 1000)
if kept < 1 then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', kept) end
return '0'
"""


class RedisBuckets:
    """In Redis, by its clock; in this process while Redis is away, and then nobody is refused more."""

    def __init__(self, url: str) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_PATIENCE_S,
            socket_connect_timeout=REDIS_PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._script: Any = client.register_script(TAKE)
        self._errors = (redis.RedisError, OSError)
        self._here = LocalBuckets()
        self._away_until = 0.0

    def take(self, key: str, tokens: int, rate: Rate) -> float:
        """As the port says; never an error."""
        if time.monotonic() >= self._away_until:
            try:
                spent = (rate.seconds(tokens), rate.seconds(rate.burst))
                return float(self._script(keys=[f"actverse:rate:{key}"], args=spent))
            except self._errors as error:
                self._away_until = time.monotonic() + AWAY_FOR_S
                log.warning("web.rate.redis_away", error=type(error).__name__)
        return self._here.take(key, tokens, rate)


def buckets(url: str) -> Buckets:
    """The buckets at the URL of the setting `cache`."""
    known: dict[str, Callable[[str], Buckets]] = {
        "": lambda _: LocalBuckets(),
        "redis": RedisBuckets,
        "rediss": RedisBuckets,
    }
    scheme = urlsplit(url).scheme
    if scheme not in known:
        raise BadInput(f"The cache's scheme {scheme!r} is not one of redis, rediss.")
    return known[scheme](url)


class TooOften(TooManyRequests):
    """A user sends more than one user may."""

    def __init__(self, per_minute: int, wait_s: float) -> None:
        super().__init__(
            Sentence("error.too_often", per_minute=per_minute, wait_s=wait_s),
            retry_after_s=wait_s,
        )


class TooManyWrongKeys(TooManyRequests):
    """Somebody seems to guess."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(Sentence("error.too_many_wrong_keys", wait_s=wait_s), retry_after_s=wait_s)


class Limits:
    """Who may come in, and how often; one a process."""

    def __init__(self, settings: Settings, kept: Buckets | None = None) -> None:
        self._buckets = kept or buckets(settings.cache)
        per_minute = settings.gateway.requests_per_minute
        self._users = Rate.of(per_minute) if per_minute else None
        self._guesses = Rate(WRONG_KEYS_PER_MINUTE, WRONG_KEYS_PER_MINUTE)
        # Redis is a network away: so many tokens are fetched at once, a part of a second's worth
        self._fetched = max(1, per_minute // 600) if settings.cache else 1
        self._purse: dict[str, int] = {}
        self._known: dict[str, float] = {}  # digest of a key -> when it is asked about again
        self._sure: dict[str, tuple[float, Caller]] = {}  # digest of a key -> until when, whose
        self._distant = bool(settings.cache)
        self._lock = threading.Lock()

    def at_hand(self, key: str | None) -> Caller | None:
        """Whose key it is, where no server need be asked for that; None: ask `identified`."""
        until, caller = self._sure.get(_digest(key), (0.0, None))
        if caller is None or until < time.monotonic():
            return None
        if self._distant and self._users is not None and not self._purse.get(caller.user_id):
            return None
        self._spend(caller.user_id)
        return caller

    def identified(self, platform: Platform, key: str | None, address: str) -> Caller:
        """Whose key it is, unless too much has come from there; as `access.identify` otherwise."""
        digest, address = _digest(key), neighbourhood(address)
        known = self._known.get(digest, 0.0) > time.monotonic()
        if key and not known:
            wait_s = self._buckets.take(f"keys:{address}", 1, self._guesses)
            if wait_s > 0:
                raise TooManyWrongKeys(wait_s)
        try:
            caller = identify(platform, key)
        except Unauthorised:
            self._known.pop(digest, None)
            self._sure.pop(digest, None)
            raise
        if not known:
            self._buckets.take(f"keys:{address}", -1, self._guesses)
            self._remember(digest)
        self._sure[digest] = (time.monotonic() + SURE_FOR_S, caller)
        self._spend(caller.user_id)
        return caller

    def _remember(self, digest: str) -> None:
        with self._lock:
            if len(self._known) > MANY:
                self._known.clear()
                self._sure.clear()  # nobody is sure who is not known
            self._known[digest] = time.monotonic() + KNOWN_FOR_S

    def _spend(self, user_id: str) -> None:
        if self._users is None:
            return
        with self._lock:
            left = self._purse.get(user_id, 0)
            if left > 0:
                self._purse[user_id] = left - 1
                return
        wait_s = self._buckets.take(f"user:{user_id}", self._fetched, self._users)
        if wait_s > 0:
            raise TooOften(self._users.per_minute, wait_s)
        with self._lock:
            if len(self._purse) > MANY:
                self._purse.clear()
            self._purse[user_id] = self._purse.get(user_id, 0) + self._fetched - 1


def _digest(key: str | None) -> str:
    return hashlib.sha256((key or "").encode()).hexdigest()
