"""What nobody will finish any more: announced uploads that never came, files without an owner.

A gateway stores a file before it stores the row that names it: killed in between, it leaves a folder that
no task and no upload owns. Such folders go once nothing was written in them for so long that no upload,
however slow, can still be at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Column, func, select
from sqlalchemy.orm import Session

from shared.db.base import table
from shared.db.models import Task, Upload, User, now
from shared.platform import Platform
from shared.storage.port import INCOMING

KEEP_PENDING = timedelta(days=8)  # an address may be valid for seven
CLOCKS = timedelta(minutes=5)  # by which those of two machines may differ
AT_ONCE = 500  # owners that are asked for in one question
log = structlog.get_logger()


class Kind(NamedTuple):
    """Folders in which each owner has one of its own, under its id."""

    folder: str
    owner: Column[Any]
    quiet: timedelta  # for which nothing was written; an upload at its slowest writes every 20 min


KINDS = (
    Kind("inputs", table(Task).c.id, timedelta(hours=1)),
    Kind(
        "uploads", table(Upload).c.id, timedelta(days=1)
    ),  # gigabytes take their time to reach a bucket
)


@dataclass(frozen=True)
class Leftovers:
    """What would be removed."""

    announced: Sequence[tuple[str, str]]  # uploads: id and key
    folders: Sequence[str]

    def __len__(self) -> int:
        """How many, of either kind."""
        return len(self.announced) + len(self.folders)


def find(platform: Platform) -> Leftovers:
    """Look, and change nothing."""
    with platform.reads() as session:
        announced = session.execute(
            select(Upload.id, Upload.key).where(
                Upload.state == "PENDING", Upload.created_at < now() - KEEP_PENDING
            )
        ).tuples()
        return Leftovers(announced.all(), tuple(_without_owner(platform, session)))


def _without_owner(platform: Platform, session: Session) -> Iterator[str]:
    """Folders that nobody owns.

    What is older than the database is not its to judge: it may be a new one beside kept files.
    """
    begun = session.scalar(select(func.min(User.created_at)))
    if begun is None:
        return
    for kind in KINDS:
        seen = platform.storage.last_written(kind.folder)  # before its owners: those come later
        until = now() - kind.quiet
        quiet = sorted(path for path, at in seen.items() if begun - CLOCKS < at < until)
        for first in range(0, len(quiet), AT_ONCE):
            ids = {path.rpartition("/")[2]: path for path in quiet[first : first + AT_ONCE]}
            owned = set(session.scalars(select(kind.owner).where(kind.owner.in_(ids))))
            yield from (path for each, path in ids.items() if each not in owned)


def remove(platform: Platform) -> int:
    """Remove all of it, and half-written files; how many there were.

    May run twice, and beside a late `complete`: what that has received is not touched.
    """
    found = find(platform)
    clear(platform, found)
    removed = len(found) + platform.storage.tidy()
    if removed:
        uploads, folders = len(found.announced), len(found.folders)
        log.info("flow.leftovers.removed", uploads=uploads, folders=folders, all=removed)
    return removed


def clear(platform: Platform, found: Leftovers) -> None:
    """Remove what was found; may be called again."""
    for upload_id, key in found.announced:
        platform.storage.delete(f"{INCOMING}/{key}")
        with platform.sessions.begin() as session:
            row = session.get(Upload, upload_id)
            if row is not None and row.state == "PENDING":
                session.delete(row)
    for folder in found.folders:
        platform.storage.delete(folder)
