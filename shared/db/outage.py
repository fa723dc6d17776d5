"""What an error of the database means to the work that met it."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import ActverseError, OutOfSpace, Unavailable

_FULL = {sqlite3.SQLITE_FULL}
_LATER = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
_ROLLED_BACK = ("40001", "40P01")  # PostgreSQL: serialisation failure, deadlock
_SHORT_OF = "53"  # class of SQLSTATEs: disk full, out of memory, too many connections


def outage(error: BaseException) -> ActverseError | None:
    """`error` as one that passes when the database is well again; None when it is another kind."""
    if isinstance(error, PoolTimeout):
        return Unavailable("All connections to the database are in use.")
    if not isinstance(error, DBAPIError):
        return None
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the primary code
        if code in _FULL:
            return OutOfSpace(
                "The disk with the database is full. Free some space, then retry the step; "
                "nothing finished is lost."
            )
        return Unavailable(f"The database cannot be used now: {cause}.") if code in _LATER else None
    state = getattr(cause, "sqlstate", None) or ""
    if state in _ROLLED_BACK:
        return Unavailable(
            "The database asks to do this again: somebody else was at the same rows."
        )
    if state.startswith(_SHORT_OF):
        return Unavailable(f"The database is short of something: {cause}")
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return Unavailable("The database does not answer.")
    return None
