"""Transactions that need not wait for the disk of a database server.

Of PostgreSQL: with `synchronous_commit = off` a commit is seen by all at once and is on the disk within
a moment (three times `wal_writer_delay`, 0.6 s). A server that dies in that moment forgets the commit as a
whole; nothing is torn. Right for what would be done again without harm.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class CommitLazily(FunctionElement[bool]):
    """A condition that is always true, and lets the transaction that it is in commit lazily."""

    type = Boolean()
    inherit_cache = True
    name = "commit_lazily"


@compiles(CommitLazily)
def _elsewhere(element: CommitLazily, compiler: Any, **options: Any) -> str:
    """SQLite in WAL mode does not wait either."""
    del element, compiler, options
    return "1 = 1"


@compiles(CommitLazily, "postgresql")
def _postgresql(element: CommitLazily, compiler: Any, **options: Any) -> str:
    del element, compiler, options
    return "set_config('synchronous_commit', 'off', true) = 'off'"
