"""Whole folders of keys at once: the frames of a task, the chunks of a result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.storage.disk import half_written
from shared.storage.port import Storage, Stored

FILES_IN_FLIGHT = 8


def keep_folder(storage: Storage, prefix: str) -> tuple[Stored, ...]:
    """Keep every file below `storage.local(prefix)`, in the order of their keys.

    May run again after a failure: what is already kept is not sent twice. Links are not followed.
    """
    folder = storage.local(prefix)
    keys = sorted(
        f"{prefix}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not half_written(path.name)
    )
    with ThreadPoolExecutor(FILES_IN_FLIGHT) as pool:
        return tuple(pool.map(storage.keep, keys))


def fetch_folder(storage: Storage, prefix: str) -> Path:
    """Bring every key below `prefix` to this machine; the local folder.

    Local files that nobody kept stay where they are.
    """
    with ThreadPoolExecutor(FILES_IN_FLIGHT) as pool:
        list(pool.map(storage.fetch, storage.list(prefix)))
    return storage.local(prefix)
