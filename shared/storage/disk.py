"""What both storages do with the local disk: whole files or none, and sentences for its errors."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import DISK_FULL, BadInput, Conflict, NotFound, explained

PART = ".part"  # the ending of a file that is being written; never listed


def named(source: Path | str, key: str | None) -> str:
    """The key under which `source` is to be kept."""
    if key is not None:
        return key
    if isinstance(source, Path):
        raise BadInput(f"keep({str(source)!r}) needs the key under which the file is to be stored.")
    return source


def require_file(path: Path) -> None:
    """Refuse what is not an ordinary file."""
    if path.is_dir():
        raise BadInput(
            f"{path} is a folder; only files are stored. Keep the files in it one by one."
        )
    if not path.is_file():
        raise NotFound(f"{path} does not exist, so it cannot be stored.")


def require_same(key: str, found: str, expected: str) -> None:
    """Refuse content that is not the one that was named."""
    if found != expected.lower():
        raise Conflict(
            f"The file stored under {key!r} was changed: its sha256 is {found[:12]}..., "
            f"expected {expected[:12]}.... Run the step that makes it again."
        )


def half_written(name: str) -> bool:
    """Whether this is a temporary name of ours."""
    return name.startswith(".") and name.endswith(PART)


def remove_half_written(root: Path, older_s: float) -> int:
    """Remove what writers that were killed so long ago left below `root`; how many files."""
    removed = 0
    for base, _, names in os.walk(root):
        for path in (Path(base, name) for name in names if half_written(name)):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= older_s:
                    path.unlink()
                    removed += 1
    return removed


def written_at(folder: Path) -> datetime:
    """When something was last written in `folder` or below it (UTC); now, if it has just gone."""
    times = []
    for base, _, names in os.walk(folder):
        for path in (Path(base), *(Path(base, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                times.append(path.lstat().st_mtime)
    return datetime.fromtimestamp(max(times, default=time.time()), UTC)


def copy_whole(source: Path, target: Path) -> None:
    """Copy to a temporary name beside the target, to disk, then give it the final name."""
    with explaining(target), replacing(target) as temporary:
        shutil.copyfile(source, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target`, given its name when the block ends, removed when it raises."""
    temporary = target.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: Path, *, file_too: bool = True) -> None:
    """Remove a file or a folder with everything in it; harmless when there is none."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=False)
    elif file_too:
        path.unlink(missing_ok=True)


@contextmanager
def explaining(target: Path | None = None) -> Iterator[None]:
    """Turn an `OSError` of the disk into a sentence (`OutOfSpace` for a full one).

    `target` is the file that was being written: a copy names its source in the error instead.
    """
    try:
        yield
    except OSError as error:
        if target is not None and error.errno in DISK_FULL:
            error.filename = str(target)
        raise explained(error) from error
