"""The local copies of a remote storage: which are known to be whole, and which may go."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import structlog

from shared.storage.cache_holds import Holds
from shared.storage.content import digest
from shared.storage.disk import explaining, remove, replacing
from shared.storage.paths import checked_prefix, under

NOTES = ".kept"  # beside the folders of keys, so that a folder holds its files and nothing else
HOLDS = ".held"
RECENT_S = 600.0  # a copy that somebody asked for so lately stays, whoever it was
TRIMMED_TO = 0.9  # of the limit, so that not every new file makes the cache look for room
LOOK_EVERY = 0.05  # of the limit: after so many new bytes the cache is measured again
log = structlog.get_logger()


@dataclass(frozen=True)
class _Copy:
    """One local copy, as its note describes it."""

    key: str
    note: Path
    bytes: int
    used: float  # seconds since the epoch, when it was asked for last


class Cache:
    """Files below `root`, with a note for each file whose sha256 we have computed.

    The note carries size and modification time too: a file that somebody has touched since is
    hashed again, so a working file that was changed is never taken for the stored one.

    `limit_bytes` bounds the copies; beyond it those that nobody asked for longest are removed.
    Only what has a note is a copy: a file that was never kept is somebody's work and stays.
    """

    def __init__(
        self, root: Path, *, limit_bytes: int | None = None, recent_s: float = RECENT_S
    ) -> None:
        self.root = root.absolute()
        self.limit_bytes = limit_bytes
        self._recent_s = recent_s
        self._holds = Holds(self.root / HOLDS)
        self._unmeasured: int | None = None  # bytes noted since the last look; None before it

    def working(self) -> AbstractContextManager[None]:
        """What is asked for inside stays until the block ends, in whatever process it runs."""
        return self._holds.working()

    def path(self, key: str) -> Path:
        """The local path of a key or a folder of keys, its parent made."""
        path = under(self.root, checked_prefix(key))
        with explaining():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def note(self, key: str, sha256: str) -> None:
        """Remember that the present file of `key` has this content."""
        note = self._note(key)
        self._holds.take(key)
        with explaining(note):
            note.parent.mkdir(parents=True, exist_ok=True)
            stamp = _stamp(self.path(key))
            with replacing(note) as temporary:
                temporary.write_text(json.dumps([sha256, *stamp]))
        self._make_room(stamp[0])

    def holds(self, key: str, sha256: str) -> bool:
        """Whether the local file of `key` is there with this content."""
        self._holds.take(key)  # before looking: what is there now must not go while we say so
        path = self.path(key)
        if not path.is_file():
            return False
        try:
            seen = json.loads(self._note(key).read_text())
        except (OSError, ValueError):
            seen = None
        with explaining():
            if seen == [sha256, *_stamp(path)]:
                self._note(key).touch()  # its time is when it was asked for last
                return True
            found, _ = digest(path)
        if found == sha256:
            self.note(key, sha256)
        return found == sha256

    def drop(self, prefix: str) -> None:
        """Forget the local copies of a key or a folder."""
        with explaining():
            remove(self.path(prefix))
            remove(self.root / NOTES / prefix)
            remove(self._note(prefix))

    def trim(self) -> int:
        """Remove the copies not asked for longest until the rest fits; the bytes that were freed.

        What a process works with stays, and so does a file that was changed after it was kept.
        """
        if self.limit_bytes is None:
            return 0
        with self._holds.frozen() as held:
            if held is None:  # another process is at it
                return 0
            copies = sorted(self._copies(), key=lambda copy: copy.used)
            total, freed = sum(copy.bytes for copy in copies), 0
            if total > self.limit_bytes:
                spare = total - int(self.limit_bytes * TRIMMED_TO)
                for copy in copies:
                    if freed >= spare or time.time() - copy.used < self._recent_s:
                        break
                    if copy.key not in held and self._forget(copy):
                        freed += copy.bytes
                log.info("storage.cache.trimmed", copies_bytes=total, freed_bytes=freed)
            return freed

    def _make_room(self, added: int) -> None:
        """Trim now and then: measuring walks over every note."""
        if self.limit_bytes is None:
            return
        first = self._unmeasured is None
        self._unmeasured = (self._unmeasured or 0) + added
        if first or self._unmeasured >= self.limit_bytes * LOOK_EVERY:
            self._unmeasured = 0
            self.trim()

    def _copies(self) -> list[_Copy]:
        found = []
        notes = self.root / NOTES
        for note in notes.rglob("*.json"):
            try:
                size, used = int(json.loads(note.read_text())[1]), note.stat().st_mtime
            except (OSError, ValueError, LookupError):
                continue  # removed meanwhile, or half written by a machine that lost its power
            key = note.relative_to(notes).as_posix().removesuffix(".json")
            found.append(_Copy(key, note, size, used))
        return found

    def _forget(self, copy: _Copy) -> bool:
        """Remove one copy; False when it is not the stored content any more."""
        path = under(self.root, copy.key)
        try:
            seen = json.loads(copy.note.read_text())
            if path.is_file() and seen[1:] != _stamp(path):
                return False
            path.unlink(missing_ok=True)
            copy.note.unlink(missing_ok=True)
        except (OSError, ValueError):
            return False
        return True

    def _note(self, key: str) -> Path:
        return self.root / NOTES / f"{key}.json"


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
