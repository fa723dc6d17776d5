"""Transactions that hand prepared statements to the driver itself (see `shared.db.prepared`).

What is written last in a transaction, so that readers get it in one order, is told with `write_last`.
Watchers of a task read its events by rising id and never look back. SQLite has one writer at a time,
so ids are committed in the order in which they were taken. Elsewhere two transactions may take ids 5
and 6 and commit 6 first; whoever has read 6 would never see 5. There the events wait until their
transaction ends, and are written under a lock of their task. It is the last lock that the
transaction takes, so nobody who holds it waits for anything, and no circle can arise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, Engine, String, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from shared.db.engine import begin_sqlite
from shared.db.prepared import Prepared, Rows

_KEY = func.hashtextextended(bindparam("task", type_=String()), 0)
_LOCK = Prepared(select(func.pg_advisory_xact_lock(_KEY).label("locked")))
# in the `info` of a connection
WAITING, WRITTEN, PIPELINE = "actverse.waiting", "actverse.written", "actverse.pipeline"
Write = tuple[Prepared, dict[str, Any]]


class Direct:
    """A transaction that has begun; statements run in it."""

    def __init__(self, connection: Connection | sqlite3.Connection) -> None:
        """`connection` may be that of a session: everything before and after is one transaction."""
        self._connection = connection
        driver: Any = connection
        if isinstance(connection, Connection):
            driver = connection.connection.driver_connection
            self._info = connection.info
        self._driver = driver
        self._is_sqlite = isinstance(driver, sqlite3.Connection)

    @property
    def near(self) -> bool:
        """Whether a statement costs no round trip: SQLite, which has one writer at a time."""
        return self._is_sqlite

    @property
    def _pipeline(self) -> Any | None:
        return self._info.get(PIPELINE)

    def run(self, prepared: Prepared, **values: Any) -> Rows:
        """Execute `prepared`; an error is SQLAlchemy's, as from everywhere else.

        Within `at_once` a server is waited for when somebody asks for the rows, or at its end.
        """
        if self._is_sqlite:
            try:
                return prepared.on_sqlite.run(self._driver, values)
            except sqlite3.Error as error:
                raise _told(error) from error
        compiled = prepared.on_postgresql
        with self._explaining():
            if self._pipeline is None:
                return compiled.run(self._driver, values)
            cursor = compiled.execute(self._driver, values)

        def read() -> tuple[list[Any], int]:
            with self._explaining():
                if self._pipeline is not None:
                    self._pipeline.sync()
                return compiled.read(cursor)

        return Rows(read)

    def run_each(self, prepared: Prepared, every: Sequence[dict[str, Any]]) -> None:
        """Execute `prepared` for each of `every` in one go; nothing comes back."""
        if self._is_sqlite:
            try:
                prepared.on_sqlite.run_each(self._driver, every)
            except sqlite3.Error as error:
                raise _told(error) from error
            return
        with self._explaining():
            prepared.on_postgresql.run_each(self._driver.cursor(), every)

    @contextmanager
    def at_once(self) -> Iterator[Direct]:
        """Statements share round trips to a server until somebody asks what one of them gave.

        Those of every `Direct` of the connection; SQLAlchemy's own know no pipeline, and must wait.
        """
        if self._is_sqlite or self._pipeline is not None:
            yield self
            return
        with self._explaining(), self._driver.pipeline() as pipeline:
            self._info[PIPELINE] = pipeline
            try:
                yield self
            finally:
                self._info.pop(PIPELINE)

    def commit(self) -> None:
        """Commit now, with what waits to be written last; the end of the transaction finds it done.

        Within `at_once` it travels with the last statements. SQLite, which is near, waits for the end.
        """
        if self._is_sqlite:
            return
        self.write_waiting()
        with self._explaining():
            self._driver.commit()

    def write_last(self, task_id: str, *writes: Write) -> None:
        """Run statements about `task_id` at the end of the transaction; at once on SQLite."""
        if self._is_sqlite:
            for prepared, values in writes:
                self.run(prepared, **values)
            return
        self._info.setdefault(WAITING, []).append((task_id, writes))

    def write_waiting(self) -> None:
        """What `write_last` has put off; the transaction must end now."""
        waiting = self._info.pop(WAITING, None)
        if not waiting:
            return
        tasks = sorted({task_id for task_id, _ in waiting})
        with self.at_once():
            for task_id in tasks:  # in one order everywhere
                self.run(_LOCK, task=task_id)
            for _, writes in waiting:
                for prepared, values in writes:
                    self.run(prepared, **values)
        self._info[WRITTEN] = tasks

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Errors of the driver as SQLAlchemy's; it also learns that a connection was lost."""
        connection = cast("Connection", self._connection)
        dialect: Any = connection.dialect
        try:
            yield
        except dialect.loaded_dbapi.Error as error:
            if self._driver.closed:
                connection.exec_driver_sql("SELECT 1")  # fails, and drops the connections beside it
            raise _told(error) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Direct]:
    """For single looks: each statement sees what is committed, and none holds a lock."""
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            yield Direct(connection)
        return
    pooled = engine.raw_connection()
    try:
        yield Direct(cast("sqlite3.Connection", pooled.driver_connection))
    finally:
        pooled.close()


def alone(engine: Engine, prepared: Prepared, *before: Write, **values: Any) -> Rows:
    """A transaction of this one statement, and of those `before` it: one round trip to a server."""
    if engine.dialect.name == "sqlite":
        with transaction(engine) as direct:
            for earlier, given in before:
                direct.run(earlier, **given)
            return direct.run(prepared, **values)
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    try:
        driver.autocommit = True
        if not before:
            return prepared.on_postgresql.run(driver, values)
        with driver.pipeline():  # what a server gets between two syncs is one transaction
            for earlier, given in before:
                earlier.on_postgresql.execute(driver, given)
            cursor = prepared.on_postgresql.execute(driver, values)
        content = prepared.on_postgresql.read(cursor)
        return Rows(lambda: content)
    except engine.dialect.loaded_dbapi.Error as error:
        if driver.closed:
            pooled.invalidate(error)
        raise _told(error) from error
    finally:
        if not driver.closed:
            driver.autocommit = False
            pooled.close()


@contextmanager
def transaction(engine: Engine) -> Iterator[Direct]:
    """A transaction of its own that writes."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            direct = Direct(connection)
            with direct.at_once():
                yield direct
                direct.commit()  # travels with the last statements; the block's own finds it done
        return
    pooled = engine.raw_connection()
    try:
        raw: Any = pooled.driver_connection
        try:
            begin_sqlite(raw, "BEGIN IMMEDIATE")
            yield Direct(raw)
            raw.execute("COMMIT")
        except sqlite3.Error as error:
            raise _told(error) from error
    finally:
        pooled.close()  # rolls back what was not committed


def _told(error: Exception) -> BaseException:
    """`error` of a driver, as SQLAlchemy raises it."""
    return DBAPIError.instance(None, None, error, type(error))
