"""Writing into the model repository: whole or not at all, and readable by a Triton of another user."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

STAGED = ".new-"
STAGED_IS_STALE_S = 3600.0


def sha256_of(path: Path) -> str:
    """The digest of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A private folder beside the versions; what is left in it afterwards is removed."""
    for left in folder.glob(f"{STAGED}*"):  # by a writer that was killed
        if time.time() - left.stat().st_mtime > STAGED_IS_STALE_S:
            shutil.rmtree(left, ignore_errors=True)
    staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=folder))
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def replace_text(path: Path, text: str) -> None:
    """Write `text` under `path` at once, and only when it differs."""
    if path.is_file() and path.read_text() == text:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(0o644)
    temporary.replace(path)


def make_readable(folder: Path) -> None:
    """`folder` and what is made above it, open to other users."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(0o755)
