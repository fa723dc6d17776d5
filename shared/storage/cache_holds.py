"""What the processes of a machine work with just now, so that no other takes it away.

Every process that works keeps one file with the keys it was given, locked for as long as it
lives. A file that can be locked by somebody else belongs to a process that was killed, and counts
for nothing.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from shared.storage.disk import explaining

GATE = "gate"  # shared while a key is taken, exclusive while somebody decides what may go
ENDING = ".keys"


class Holds:
    """The keys that this process has taken, and those of all others in the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._depth = 0
        self._file: IO[str] | None = None
        self._taken: set[str] = set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keys that are taken inside stay taken until the outermost block ends."""
        with self._lock:
            self._forget_parent()
            self._depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    self._release()

    def take(self, key: str) -> None:
        """Keep `key` from being removed; without effect outside of `working`."""
        with self._lock:
            self._forget_parent()
            if self._depth == 0 or key in self._taken:
                return
            with explaining(), self._gate(fcntl.LOCK_SH):
                if self._file is None:
                    self._file = self._own()
                self._file.write(f"{key}\n")
                self._file.flush()
            self._taken.add(key)

    @contextmanager
    def frozen(self) -> Iterator[set[str] | None]:
        """Every key that is taken anywhere, while nobody can take another; None when not now."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._gate(fcntl.LOCK_EX | fcntl.LOCK_NB))
                held = self._all()
            except BlockingIOError:
                held = None
            yield held

    def _all(self) -> set[str]:
        found: set[str] = set()
        for path in self.folder.glob(f"*{ENDING}"):
            if self._file is not None and path.name == Path(self._file.name).name:
                found |= self._taken
                continue
            try:
                with path.open("r+") as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink(missing_ok=True)
                    except BlockingIOError:
                        found.update(file.read().splitlines())
            except FileNotFoundError:  # its work has just ended
                continue
        return found

    def _own(self) -> IO[str]:
        path = self.folder / f"{os.getpid()}-{secrets.token_hex(4)}{ENDING}"
        file = path.open("x")
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _release(self) -> None:
        self._taken.clear()
        if self._file is not None:
            Path(self._file.name).unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def _forget_parent(self) -> None:
        """A forked child works for itself; what its parent took stays the parent's."""
        if self._pid != os.getpid():
            self._pid, self._depth, self._taken, self._file = os.getpid(), 0, set(), None

    @contextmanager
    def _gate(self, how: int) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / GATE).open("a") as gate:
            fcntl.flock(gate, how)
            yield  # closing the file gives it free
