"""Holds other people's libraries to permitted addresses, at the moment when a socket connects.

`guarded_client` opens its own sockets; a library that opens its own would look a name up again after
we have checked it, and the second answer may be another (DNS rebinding). CPython announces every
connect with the address that was chosen in the end (PEP 578), in the thread that makes it, and an
exception from there stops it: nothing lies between this check and the connection.
"""

from __future__ import annotations

import ipaddress
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from shared.errors import Forbidden
from shared.net.address import Allowed

_guard: ContextVar[Guard | None] = ContextVar("guard", default=None)
_installing = threading.Lock()
_installed = False


class Refused(ConnectionRefusedError):
    """What the library sees; libraries expect an OSError here."""


class Guard:
    """What may be connected to while it is in force."""

    def __init__(self, allowed: Allowed, host: str) -> None:
        self._allowed = allowed
        self._host = host
        self.refused: Forbidden | None = None

    def check(self, address: Any) -> None:
        """Raise `Refused`, and remember why, unless the connection may be made."""
        try:
            found = ipaddress.ip_address(str(address[0]).partition("%")[0])
        except (ValueError, TypeError, IndexError, KeyError):  # a local socket, or a name
            found = None
        if found is None or not self._allowed.permits(self._host, found):
            self.refused = Forbidden(
                f"{self._host} leads into a private or reserved network. Only public addresses "
                "are reached; an operator can allow more with ACTVERSE_NETWORK__ALLOW."
            )
            raise Refused(str(self.refused))


@contextmanager
def only_to(allowed: Allowed, host: str) -> Iterator[Guard]:
    """Within the block this thread connects only where `allowed` lets it go for `host`.

    Threads that the block starts are held if they run in a copy of its context, as asyncio's are,
    and else not: use it around libraries that work in the thread that calls them. `Guard.refused`
    says afterwards whether a connection was stopped.
    """
    _install()
    guard = Guard(allowed, host)
    token = _guard.set(guard)
    try:
        yield guard
    finally:
        _guard.reset(token)


def _install() -> None:
    global _installed  # noqa: PLW0603 - a hook stays for the life of the process
    with _installing:
        if not _installed:
            sys.addaudithook(_on_audit)
            _installed = True


def _on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and (guard := _guard.get()) is not None:
        guard.check(arguments[1])
