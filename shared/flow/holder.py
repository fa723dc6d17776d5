"""Who holds a piece of work: a process, named so that others can tell whether it still lives."""

from __future__ import annotations

import os
import socket

import psutil

_HOST = socket.gethostname()


def me() -> str:
    """This process as `host:pid:start time`; the start time tells a reused pid apart."""
    pid = os.getpid()
    return f"{_HOST}:{pid}:{_start_time(pid)}"


def _start_time(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.Error:
        return None


def alive(holder: str) -> bool | None:
    """Whether the process lives; None when it runs on another machine, where we cannot look."""
    host, pid, started = holder.rsplit(":", 2)
    if host != _HOST:
        return None
    begun = _start_time(int(pid))
    if begun is None:
        return False
    try:
        if psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.Error:
        return False
    return abs(begun - int(started)) <= 2
