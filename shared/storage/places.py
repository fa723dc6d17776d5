"""Whether a key that a user chose can be written: files cannot lie below files, nor replace folders.

Object stores would allow both, and the same tree could then not be brought to a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from shared.errors import BadInput
from shared.storage.port import Storage


def writable_key(storage: Storage, key: str) -> str:
    """`key` itself, if a file may be written there; else `BadInput` says what is in the way."""
    if not storage.exists(key) and storage.list(key):
        raise BadInput(f"{key!r} is a folder; name the file that is to be written in it.")
    return _below_folders(storage, key, PurePosixPath(key).parents)


def writable_prefix(storage: Storage, prefix: str) -> str:
    """`prefix` itself, if files may be written below it."""
    path = PurePosixPath(prefix)
    return _below_folders(storage, prefix, (path, *path.parents))


def _below_folders(storage: Storage, key: str, folders: Iterable[PurePosixPath]) -> str:
    for folder in folders:
        if len(folder.parts) > 1 and storage.exists(str(folder)):
            raise BadInput(
                f"'{folder}' is a file, so nothing can lie below it; choose another path."
            )
    return key
