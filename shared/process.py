"""Which process this is, whether another still lives, and how a child ends with its parent.

A process is named by its id **and** its start time, because the kernel gives ids out again. On Linux
the start time is counted from boot (a wall clock that is set does not change it) and the boot is
named too; elsewhere psutil tells it. Whoever asks must share machine and pid namespace with whom it
asks about: a container cannot see whether a process of another one lives.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from functools import cache
from pathlib import Path

import psutil

_PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None  # not after a fork
_GONE = (b"Z", b"X")  # killed, but not yet collected by its parent: it holds nothing any more


@cache
def _boot() -> str | None:
    """A short name of this boot, or None where there is no Linux /proc."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return None


def start_of(pid: int) -> str | None:
    """When process `pid` began, as an opaque string; None if it is gone or a zombie."""
    boot = _boot()
    if boot is None:
        return _start_by_psutil(pid)
    try:
        # The name of the program may hold spaces and brackets; the numbers follow the last bracket.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _GONE else f"{boot}.{fields[19].decode()}"


def _start_by_psutil(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


@cache
def _named(pid: int) -> str:
    return f"{pid}:{start_of(pid)}"


def this_process() -> str:
    """The name under which this process holds messages and work; a forked child has its own."""
    return _named(os.getpid())


def alive(owner: str) -> bool:
    """Whether the process that `this_process` named so still runs."""
    pid, _, start = owner.partition(":")
    return owner == this_process() or start_of(int(pid)) == start


def allow_many_files() -> None:
    """Let this process open as many files and sockets as it may; many systems begin with 1024."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # macOS names more than it grants
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def die_with(parent: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send us `how` when our parent, process `parent`, dies.

    A child that outlived it would work on something that another process takes over at once. Linux
    only; elsewhere nothing happens. Two traps: the parent may have died before we asked, so we look
    afterwards; and the kernel means the **thread** that made us, which must live as long as we may.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:
        os.kill(os.getpid(), how)
