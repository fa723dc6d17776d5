"""The local copies of a remote storage, and which of them are known to be whole."""

from __future__ import annotations

import json
from pathlib import Path

from shared.storage.content import digest
from shared.storage.disk import explaining, remove, replacing
from shared.storage.paths import checked_prefix, under

NOTES = ".kept"  # beside the folders of keys, so that a folder holds its files and nothing else


class Cache:
    """Files below `root`, with a note for each file whose sha256 we have computed.

    The note carries size and modification time too: a file that somebody has touched since is
    hashed again, so a working file that was changed is never taken for the stored one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def path(self, key: str) -> Path:
        """The local path of a key or a folder of keys, its parent made."""
        path = under(self.root, checked_prefix(key))
        with explaining():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def note(self, key: str, sha256: str) -> None:
        """Remember that the present file of `key` has this content."""
        note = self._note(key)
        with explaining(note):
            note.parent.mkdir(parents=True, exist_ok=True)
            seen = [sha256, *_stamp(self.path(key))]
            with replacing(note) as temporary:
                temporary.write_text(json.dumps(seen))

    def holds(self, key: str, sha256: str) -> bool:
        """Whether the local file of `key` is there with this content."""
        path = self.path(key)
        if not path.is_file():
            return False
        try:
            seen = json.loads(self._note(key).read_text())
        except (OSError, ValueError):
            seen = None
        with explaining():
            if seen == [sha256, *_stamp(path)]:
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

    def _note(self, key: str) -> Path:
        return self.root / NOTES / f"{key}.json"


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
