"""Folders whose files belong together, such as the labels of a task, are changed by one at a time.

Whoever only reads may do so beside other readers, but not while somebody writes: half of the files
would be of before.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from shared.storage.disk import explaining
from shared.storage.port import Storage


@contextmanager
def turn(
    storage: Storage, reads: sessionmaker[Session], *prefixes: str, alone: bool = True
) -> Iterator[None]:
    """Wait until nobody else has the folders, on this machine or, with PostgreSQL, on any.

    `alone`: nobody else has them meanwhile; else whoever reads may. The locks end with the process
    that holds them. They are taken in the order of their names, so that no two wait for each other.
    """
    with ExitStack() as held:
        session = held.enter_context(reads())
        spread = session.get_bind().dialect.name == "postgresql"
        for prefix in sorted(set(prefixes)):
            path = lock_of(storage, prefix)
            with explaining(path):
                file = held.enter_context(path.open("a"))
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            if spread:
                lock = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
                session.execute(select(lock(func.hashtextextended(prefix, 0))))
        yield


def lock_of(storage: Storage, prefix: str) -> Path:
    """The file that stands for the folder; it lies beside it, where nothing is kept."""
    folder = storage.local(prefix)
    return folder.with_name(f"{folder.name}.lock")
