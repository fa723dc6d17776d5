"""Passwords: Argon2id (RFC 9106) by pwdlib, away from the event loop and few at a time.

One check takes tens of milliseconds and much memory on purpose; without a bound a few strangers could
take both from everybody else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from shared.errors import Invalid, TooManyRequests
from shared.messages import Sentence
from shared.setting_groups.accounts import AccountSettings

SHORTEST, LONGEST = 10, 256  # characters; NIST SP 800-63B asks for length, not for kinds of letters
PASSES = 3  # with 64 MiB, the second recommendation of RFC 9106
MANY_WAITING = 32
RETRY_S = 2.0


@dataclass(frozen=True)
class Match:
    """Whether a password is the right one."""

    right: bool
    renewed: str | None  # its hash by today's settings, where the kept one is of other settings


class Passwords:
    """Makes and checks hashes; one a process, made where an event loop runs."""

    def __init__(self, settings: AccountSettings) -> None:
        memory_kib = settings.hash_memory_mib * 1024
        self._hashing = PasswordHash(
            (Argon2Hasher(time_cost=PASSES, memory_cost=memory_kib, parallelism=1),)
        )
        self._limiter = CapacityLimiter(settings.hashes_at_once)

    async def hash(self, password: str) -> str:
        """What to keep of a password: algorithm, parameters, salt and hash."""
        self._admit()
        return await run_sync(self._hashing.hash, password, limiter=self._limiter)

    async def match(self, password: str, kept: str | None) -> Match:
        """Whether `kept` was made of `password`; without `kept` the answer no takes as long."""
        self._admit()
        return await run_sync(self._match, password, kept, limiter=self._limiter)

    @cached_property
    def _nobodys(self) -> str:
        return self._hashing.hash(secrets.token_urlsafe())

    def _match(self, password: str, kept: str | None) -> Match:
        nobodys = self._nobodys  # made at the first check, whoever that is about
        right, renewed = self._hashing.verify_and_update(password, kept or nobodys)
        return Match(right and kept is not None, renewed)

    def _admit(self) -> None:
        if self._limiter.statistics().tasks_waiting >= MANY_WAITING:
            raise TooManyRequests(Sentence("error.many_logins"), retry_after_s=RETRY_S)


def checked(password: str, *names: str) -> str:
    """`password`, if it is none of the first guesses: one letter again and again, or a name of theirs.

    Raises `Invalid`; its length is checked where it comes in.
    """
    known = {name.casefold() for name in names} | {n.partition("@")[0].casefold() for n in names}
    if len(set(password)) < 3 or password.casefold() in known:
        raise Invalid(Sentence("error.weak_password"))
    return password
