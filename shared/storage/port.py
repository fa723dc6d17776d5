"""What a storage can do, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Stored:
    """One file that the storage now holds."""

    key: str  # "videos/{task_id}/source.mp4": what jobs and events carry
    uri: str  # "file:///..." or "s3://bucket/...": for people and for lineage
    bytes: int
    sha256: str  # of the content, 64 hex digits
    content_type: str


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
