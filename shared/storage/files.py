"""Storage in a folder: `file:data_storage`, `file:///var/lib/actverse`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from shared.errors import BadInput, NotFound
from shared.messages import Sentence
from shared.settings import Settings
from shared.storage.content import content_type, digest
from shared.storage.disk import (
    copy_whole,
    explaining,
    half_written,
    named,
    remove,
    remove_half_written,
    require_file,
    require_same,
    written_at,
)
from shared.storage.paths import checked_key, checked_prefix, under
from shared.storage.port import STALE_S, Announced, Extent, Stored, UploadLink


class FileStorage:
    """Every key is a file below `root`; the working path and the stored file are the same."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @classmethod
    def from_url(cls, url: str) -> FileStorage:
        """`file:relative/folder` or `file:///absolute/folder`."""
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path:
            raise BadInput(
                f"The storage address {url!r} is not a folder. Write file:data_storage for a folder "
                "below the present one, or file:///var/lib/actverse for an absolute one."
            )
        return cls(Path(unquote(parts.path)))

    @classmethod
    def from_settings(cls, settings: Settings) -> FileStorage:
        """The folder of the settings."""
        return cls.from_url(settings.storage_url)

    def local(self, key: str) -> Path:
        """The file of the key itself."""
        path = under(self.root, checked_prefix(key))
        with explaining():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, source: Path | str, key: str | None = None) -> Stored:
        """Hash the file where it lies; copy it first when it lies elsewhere."""
        key = checked_key(named(source, key))
        target = self.local(key)
        path = source if isinstance(source, Path) else self.local(checked_key(source))
        require_file(path)
        with explaining():
            if path.resolve() != target:
                copy_whole(path, target)
            sha256, size = digest(target)
        return Stored(key, self._uri(key), size, sha256, content_type(key))

    def fetch(self, key: str, sha256: str | None = None) -> Path:
        """The stored file."""
        path = self._existing(key)
        if sha256 is not None:
            with explaining():
                found, _ = digest(path)
            require_same(key, found, sha256)
        return path

    def open(self, key: str) -> BinaryIO:
        """The stored file, opened."""
        return self._existing(key).open("rb")

    def exists(self, key: str) -> bool:
        """Whether the file is there."""
        return under(self.root, checked_key(key)).is_file()

    def list(self, prefix: str = "") -> tuple[str, ...]:
        """Walks the folder; links are not followed, half-written files are not shown."""
        if prefix == "":
            folders = [entry.name for entry in self.root.glob("[!.]*") if entry.is_dir()]
            return tuple(sorted(key for name in folders for key in self.list(name)))
        start = under(self.root, checked_prefix(prefix))
        if start.is_file():
            return (prefix,) if "/" in prefix and not half_written(start.name) else ()
        return tuple(sorted(f"{prefix}/{name}" for name in _names(start)))

    def measure(self, prefix: str) -> Extent:
        """Looks at every file; one that goes away meanwhile does not count."""
        sizes = []
        for key in self.list(checked_prefix(prefix)):
            with contextlib.suppress(FileNotFoundError):
                sizes.append(under(self.root, key).stat().st_size)
        return Extent(len(sizes), sum(sizes))

    def last_written(self, folder: str) -> dict[str, datetime]:
        """Looks at the folders and at all in them, half-written files included."""
        start = under(self.root, checked_prefix(folder))
        found = [entry for entry in start.glob("[!.]*") if entry.is_dir()]
        return {f"{folder}/{each.name}": written_at(each) for each in found}

    def delete(self, prefix: str) -> int:
        """Remove the file or the folder; harmless when there is none."""
        keys = self.list(checked_prefix(prefix))
        path = under(self.root, prefix)
        with explaining():
            remove(path, file_too="/" in prefix)
        return len(keys)

    def key_of(self, uri: str) -> str:
        """`file:///root/videos/1/a.mp4` -> `videos/1/a.mp4`."""
        if not uri.startswith("file:"):
            return checked_key(uri)
        path = Path(unquote(urlsplit(uri).path))
        if not path.is_relative_to(self.root):
            raise BadInput(f"{uri!r} does not lie in the storage at {self.root.as_uri()}.")
        return checked_key(path.relative_to(self.root).as_posix())

    def link(self, key: str, expires_s: int = 3600) -> str | None:
        """None: a folder has no public address."""
        del expires_s
        self._existing(key)
        return None

    def upload_link(self, announced: Announced, expires_s: int = 3600) -> UploadLink | None:
        """None: a folder has no public address."""
        del expires_s
        checked_key(announced.key)
        return None

    def receive(self, announced: Announced) -> Stored:
        """Nobody can have sent anything."""
        raise NotFound(
            f"Nothing has arrived for {announced.key!r}: files cannot be sent to a folder directly."
        )

    def working(self) -> AbstractContextManager[None]:
        """Nothing is ever taken away here."""
        return nullcontext()

    def tidy(self, older_s: float = STALE_S) -> int:
        """Removes half-written files."""
        return remove_half_written(self.root, older_s)

    def _uri(self, key: str) -> str:
        return (self.root / key).as_uri()

    def _existing(self, key: str) -> Path:
        path = under(self.root, checked_key(key))
        if not path.is_file():
            raise NotFound(Sentence("error.not_made_yet", key=key))
        return path


def _names(folder: Path) -> Iterator[str]:
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            if path.is_file() and not path.is_symlink() and not half_written(name):
                yield path.relative_to(folder).as_posix()
