"""Who holds a piece of work: a process, named so that others can tell whether it still lives."""

from __future__ import annotations

import socket

from shared import process

_HOST = socket.gethostname()


def me() -> str:
    """This process as `host:pid:start`; see `shared.process`."""
    return f"{_HOST}:{process.this_process()}"


def alive(holder: str) -> bool | None:
    """Whether the process lives; None when it runs on another machine, where we cannot look."""
    host, _, name = holder.partition(":")
    return process.alive(name) if host == _HOST else None
