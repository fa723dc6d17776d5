"""How a publisher wakes a sleeping consumer of another process: a named pipe beside the file.

A consumer that waits costs nothing until its bell rings. A lost ring does no harm: consumers look
into the file every second anyway. Where the file system has no named pipes the consumer looks at
`PRAGMA data_version` instead, often while there is work and more seldom when there is none.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import time
from pathlib import Path

from shared.bus.sqlite_database import Database
from shared.process import start_of

_ringing = itertools.count(1)
_SHORTEST_SLEEP_S = 0.005
_LONGEST_SLEEP_S = 0.05


def bells_of(database: Path) -> Path:
    """The folder of the pipes that belong to the broker file `database`."""
    return database.with_name(database.name + "-bells")


def ring(database: Path, bell: str) -> None:
    """Wake the consumer that owns `bell`; a consumer that is gone is no error."""
    try:
        pipe = os.open(bells_of(database) / bell, os.O_WRONLY | os.O_NONBLOCK)
    except (OSError, AttributeError):  # gone, nobody reads, or a system without such pipes
        return
    try:
        os.write(pipe, b".")
    except OSError:  # full: it has been rung often enough
        pass
    finally:
        os.close(pipe)


def remove(database: Path, bell: str) -> None:
    """Take away the pipe of a consumer that is gone."""
    (bells_of(database) / bell).unlink(missing_ok=True)


def remove_dead(database: Path) -> None:
    """Take away the pipes of processes that died without a word."""
    for path in bells_of(database).glob("*-*"):
        if start_of(int(path.name.partition("-")[0])) is None:
            path.unlink(missing_ok=True)


class Bell:
    """The bell of one consuming connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pid = os.getpid()
        self._sleep_s = _SHORTEST_SLEEP_S
        self._version = -1
        self.name = f"{self._pid}-{next(_ringing)}-{time.time_ns():x}"
        self.pipe = self._hang()

    def _hang(self) -> int | None:
        path = bells_of(self._database.path) / self.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path, 0o600)
            # Open for writing too, so that the pipe never reads as ended when a publisher leaves.
            return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            return None

    def ring(self) -> None:
        """Wake the own connection, which may sleep in another thread."""
        if self.pipe is not None and self._pid == os.getpid():
            with contextlib.suppress(OSError):  # full: it has been rung often enough
                os.write(self.pipe, b".")

    def has_rung(self) -> bool:
        """Whether something may have changed since the last question."""
        if self.pipe is None:
            version = int(self._database.rows("PRAGMA data_version")[0][0])
            changed, self._version = version != self._version, version
            return changed
        try:
            return bool(os.read(self.pipe, 65536))
        except OSError:
            return False

    def wait(self, seconds: float) -> None:
        """Sleep until the bell rings, at most `seconds`."""
        if self.pipe is None:
            time.sleep(max(0.0, min(seconds, self._sleep_s)))
            self._sleep_s = min(self._sleep_s * 1.2, _LONGEST_SLEEP_S)
            return
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)

    def busy(self) -> None:
        """There was work: where the bell is a poll, look often again."""
        self._sleep_s = _SHORTEST_SLEEP_S

    def close(self) -> None:
        """Take the bell down; a forked child leaves its parent's alone."""
        if self.pipe is None or self._pid != os.getpid():
            return
        os.close(self.pipe)
        self.pipe = None
        remove(self._database.path, self.name)
