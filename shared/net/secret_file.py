"""Secrets that a machine makes for itself once, each in a file that only its owner may read.

A file appears whole or not at all, with mode 600 from its first byte on; of several processes that
make the same one at the same moment all end up with the one that was quicker.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER_ONLY, OF_OTHERS = 0o600, 0o077


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The text in the file, without white space around it; made by `make` when there is none.

    An empty file counts as none. One of ours that others could read is closed to them. Raises
    `OSError` where nothing can be written.
    """
    if not _read(path):
        made = make()
        if not create_secret(path, made) and not _read(path):
            replace_secret(path, made)
    if path.stat().st_mode & OF_OTHERS:
        with contextlib.suppress(PermissionError):  # it is an operator's own, and readable for us
            path.chmod(OWNER_ONLY)
    return _read(path)


def create_secret(path: Path, text: str) -> bool:
    """Write the file; False, and nothing changes, when there is one already."""
    with _written_beside(path, text) as mine:
        try:
            os.link(mine, path)  # unlike a rename it never takes the place of another file
        except FileExistsError:
            return False
        return True


def replace_secret(path: Path, text: str) -> None:
    """Write the file; one that is there gives way, and its mode with it."""
    with _written_beside(path, text) as mine:
        mine.replace(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


@contextmanager
def _written_beside(path: Path, text: str) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{text}\n" if not text.endswith("\n") else text)
            file.flush()
            os.fsync(file.fileno())
        yield mine
    finally:
        mine.unlink(missing_ok=True)
