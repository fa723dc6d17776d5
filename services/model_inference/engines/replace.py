"""A file appears under its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(final: Path) -> Iterator[Path]:
    """A temporary path beside `final`, moved onto it when the block ends well, else removed.

    What a killed process left of the same file is removed first. The name carries our process id:
    should two workers write the same result, each replaces it with a whole file or fails.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f".{final.stem}.*.part{final.suffix}"):
        leftover.unlink(missing_ok=True)
    part = final.with_name(f".{final.stem}.{os.getpid()}.part{final.suffix}")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
