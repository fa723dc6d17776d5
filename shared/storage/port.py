"""What a storage can do, whichever it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

INCOMING = "incoming"
"""The folder where directly sent files wait, under their future key, until they are received."""
STALE_S = 24 * 3600.0
"""What an interrupted upload left is rubbish after so many seconds."""


@dataclass(frozen=True)
class Stored:
    """One file that the storage now holds."""

    key: str  # "videos/{task_id}/source.mp4": what jobs and events carry
    uri: str  # "file:///..." or "s3://bucket/...": for people and for lineage
    bytes: int
    sha256: str  # of the content, 64 hex digits
    content_type: str


@dataclass(frozen=True)
class Extent:
    """How much lies in a folder."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Announced:
    """A file that somebody is about to send straight to the storage."""

    key: str  # under which it will lie
    bytes: int
    sha256: str  # 64 hex digits
    content_type: str


@dataclass(frozen=True)
class UploadLink:
    """How to send an announced file; every header is part of the signature."""

    url: str
    method: str
    headers: dict[str, str]
    expires_at: datetime


class Storage(Protocol):
    """Files by key; a key is `folder/.../name` with forward slashes, on every machine the same.

    Work happens on local files: write to `local(key)`, then `keep` it; on another machine `fetch`
    gives the local copy back. With `file:` both are the same place and nothing is copied.
    A file that lies directly in the root of the storage (database, broker, API key) has no key:
    no verb reaches it.

    Errors: `BadInput` for a key that leaves the root, `NotFound` for one that nobody kept,
    `OutOfSpace` for a full disk or bucket, `Unavailable` (retryable) when a server does not answer,
    `Conflict` when the content is not the one that the caller named by its sha256.
    Every verb may run twice; a file appears under its key whole or not at all.
    """

    def local(self, key: str) -> Path:
        """The working path of a key, or of a folder of keys; its parent exists, it itself may not."""
        ...

    def keep(self, source: Path | str, key: str | None = None) -> Stored:
        """Store a file durably under `key`.

        `source` is a local file (`Path`), or a key (`str`) whose working file was just written:
        `keep(key)` is short for `keep(local(key), key)`.
        """
        ...

    def fetch(self, key: str, sha256: str | None = None) -> Path:
        """A local file with what was kept last under `key`; read it, do not write to it.

        `sha256`, where the caller knows it, is checked against the content.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Read what was kept under `key` as a stream, without a local copy; close it."""
        ...

    def exists(self, key: str) -> bool:
        """Whether something was kept under `key`."""
        ...

    def list(self, prefix: str = "") -> tuple[str, ...]:
        """The keys in a folder and below it, or the one key itself, sorted; `""` is everything.

        `labels/1` finds `labels/1/a.txt`, never `labels/12/a.txt`.
        """
        ...

    def measure(self, prefix: str) -> Extent:
        """How many files `list` would name, and how large they are."""
        ...

    def last_written(self, folder: str) -> dict[str, datetime]:
        """The folders directly in `folder`, and when something was last written in each (UTC).

        `inputs` gives `inputs/7373`, be it that half a file is all that it holds. The clock is that
        of whoever stores the files.
        """
        ...

    def delete(self, prefix: str) -> int:
        """Remove a key or a whole folder, working copies included; how many keys there were."""
        ...

    def key_of(self, uri: str) -> str:
        """The key of one of this storage's own uris; a key comes back unchanged."""
        ...

    def link(self, key: str, expires_s: int = 3600) -> str | None:
        """An address where a browser gets the file, for `expires_s` seconds.

        None where the storage has no such addresses (files): the gateway serves those itself.
        """
        ...

    def upload_link(self, announced: Announced, expires_s: int = 3600) -> UploadLink | None:
        """An address to which a browser sends exactly this file; call `receive` afterwards.

        None where the storage has no such addresses (files): the gateway takes those itself.
        Raises `TooLarge` for more than one request can carry. What was sent lies under
        `incoming/<key>` until it is received: delete it there when nobody comes back.
        """
        ...

    def receive(self, announced: Announced) -> Stored:
        """Check what was sent, byte by byte where the server did not, and give it its key.

        `NotFound` when nothing was sent, `Conflict` when it is another file. A second call for a
        file that was received gives the same answer.
        """
        ...

    def working(self) -> AbstractContextManager[None]:
        """While the block runs, the local files that were asked for in it stay on the disk."""
        ...

    def tidy(self, older_s: float = STALE_S) -> int:
        """Remove what interrupted writes left that many seconds ago or earlier; how many."""
        ...
