"""One SQLite file, opened once per thread and process, with transactions that nest.

The broker and the result backend share the file. When a result and the message that follows from it
are written inside one outer `transaction`, both are there or neither is.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl

from shared.bus.sqlite_schema import SCHEMA, SCHEMA_VERSION
from shared.errors import Invalid, Terminal

Result = TypeVar("Result")

BUSY_TIMEOUT_S = 30.0  # how long a writer waits for another one before "database is locked"
_LOCKED_PAUSE_S = 0.02
_WAL_LIMIT_BYTES = 64 << 20  # the write-ahead log shrinks to this after a burst


@dataclass(frozen=True)
class BrokerUrl:
    """`actverse+sqlite:///relative/path` or `actverse+sqlite:////absolute/path`, as SQLAlchemy counts slashes.

    `?synchronous=full` makes every commit survive a power cut; the default, `normal`, survives every
    kill of every process, and may lose the last moments before a power cut.
    """

    path: Path
    synchronous: str = "NORMAL"

    @classmethod
    def parse(cls, url: str) -> BrokerUrl:
        """Read `url`; the prefix `actverse+` may be absent, as kombu and Celery cut it off."""
        scheme, _, rest = url.removeprefix("actverse+").partition("://")
        name, _, query = rest.partition("?")
        if scheme != "sqlite" or not name.startswith("/") or name == "/":
            raise Invalid(
                f"{url!r} is not a broker file. Write actverse+sqlite:///relative/path.db, or four slashes for an absolute path."
            )
        options = dict(parse_qsl(query))
        synchronous = options.pop("synchronous", "normal").upper()
        if options or synchronous not in {"NORMAL", "FULL"}:
            raise Invalid(
                f"{url!r} has an unknown option; known is synchronous=normal or synchronous=full."
            )
        return cls(Path(name[1:]), synchronous)


class _Session:
    """The connection of one thread, and the transaction that it is in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()
        self.depth = 0
        self.after_commit: list[Callable[[], None]] = []


class _Sessions(threading.local):
    def __init__(self) -> None:
        self.by_path: dict[str, _Session] = {}


_sessions = _Sessions()
_living: weakref.WeakSet[_Session] = weakref.WeakSet()
_inherited: list[_Session] = []


def _before_fork() -> None:
    _inherited.extend(_living)


def _after_fork_in_parent() -> None:
    _inherited.clear()


# SQLite forbids a child to use, or even to close, a connection that it got by a fork. The child
# therefore keeps the parent's connections referenced for ever and opens its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)


class Database:
    """The file at `path`, created with its tables when first used."""

    def __init__(self, path: Path | str, synchronous: str = "NORMAL") -> None:
        self.path = Path(os.path.realpath(path))
        self.synchronous = synchronous

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection; statements commit by themselves outside `transaction`."""
        return self._session().connection

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Run one statement and read all that it returns.

        Always to the end: a half-read `RETURNING` would keep the write transaction open.
        """
        return self.connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; inside another one of this thread it commits, and is seen, with that one."""
        session = self._session()
        begin, commit, rollback = (
            ("SAVEPOINT inner_one", "RELEASE inner_one", "ROLLBACK TO inner_one; RELEASE inner_one")
            if session.depth
            else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
        )
        hooks_before = len(session.after_commit)
        session.connection.execute(begin)
        session.depth += 1
        try:
            yield session.connection
            session.connection.execute(commit)
        except BaseException:
            del session.after_commit[hooks_before:]
            if session.connection.in_transaction:  # a full disk has ended it already
                for statement in rollback.split("; "):
                    session.connection.execute(statement)
            raise
        finally:
            session.depth -= 1
        if session.depth == 0:
            hooks, session.after_commit = session.after_commit, []
            for hook in hooks:
                hook()

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` when the present transaction has committed; at once if there is none."""
        session = self._session()
        if session.depth:
            session.after_commit.append(hook)
        else:
            hook()

    def _session(self) -> _Session:
        session = _sessions.by_path.get(str(self.path))
        if session is None or session.pid != os.getpid():
            session = _Session(_open(self.path, self.synchronous))
            _sessions.by_path[str(self.path)] = session
            _living.add(session)
        return session


def _open(path: Path, synchronous: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    try:
        mode = _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        if mode != "wal":
            raise Terminal(
                f"The file system of {path} cannot hold a shared SQLite file. Put the broker on a local disk."
            )
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT_BYTES}")
        _patiently(lambda: _create(connection))
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Terminal(
            f"{path} is not a broker file ({error}). Move it away, or name another."
        ) from error
    return connection


def _create(connection: sqlite3.Connection) -> None:
    if _version(connection) != SCHEMA_VERSION:
        with connection:  # commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            _write_schema(connection)


def _write_schema(connection: sqlite3.Connection) -> None:
    found = _version(connection)
    if found not in {0, SCHEMA_VERSION}:
        raise Terminal(
            "The broker file was written by another version of Actverse. Let that one finish its work, then remove the file."
        )
    if found == 0:  # else another process has just done it
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _patiently(action: Callable[[], Result]) -> Result:
    """Repeat while the file is locked: the change to WAL does not wait for other openers itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_LOCKED_PAUSE_S)
