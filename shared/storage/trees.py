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
    with ThreadPoolExecutor(FILES_IN_FLIGHT) as pool:
        return tuple(pool.map(storage.keep, _local_keys(storage, prefix)))


def keep_exactly(storage: Storage, prefix: str) -> tuple[Stored, ...]:
    """The same, for a folder that was made anew: what an earlier try kept there is removed."""
    stored = keep_folder(storage, prefix)
    for key in set(storage.list(prefix)) - {each.key for each in stored}:
        storage.delete(key)
    return stored


def fetch_folder(storage: Storage, prefix: str) -> Path:
    """Bring every key below `prefix` to this machine; the local folder.

    Local files that nobody kept stay where they are.
    """
    with ThreadPoolExecutor(FILES_IN_FLIGHT) as pool:
        list(pool.map(storage.fetch, storage.list(prefix)))
    return storage.local(prefix)


def fetch_exactly(storage: Storage, prefix: str) -> Path:
    """The same, and the local folder holds nothing else: this machine may have an older one."""
    folder = fetch_folder(storage, prefix)
    for key in set(_local_keys(storage, prefix)) - set(storage.list(prefix)):
        storage.local(key).unlink(missing_ok=True)
    return folder


def _local_keys(storage: Storage, prefix: str) -> list[str]:
    folder = storage.local(prefix)
    return sorted(
        f"{prefix}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not half_written(path.name)
    )
