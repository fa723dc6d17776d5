"""Statements that every task of every step needs, at the price that the database asks for them.

SQLAlchemy takes 30 microseconds a statement and 40 a transaction where SQLite takes 3, and 300 where
psycopg takes 70, mostly for things that never change; beside a task that does nothing that is the
greater part. `Prepared` compiles a statement once, and `Direct` hands it to the driver itself.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Connection, Engine, Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg as postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError

from shared.db.engine import begin_sqlite

_SQLITE: Dialect = sqlite.dialect()
_POSTGRESQL: Dialect = postgresql.dialect(paramstyle="format")
_Convert = Callable[[Any], Any]
_Place = tuple[str, Any, _Convert | None]


class Prepared:
    """A statement with named parameters (`bindparam`), none of which is a list of values."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement

    @cached_property
    def on_sqlite(self) -> Compiled:
        """For SQLite's driver."""
        return Compiled(self.statement, _SQLITE)

    @cached_property
    def on_postgresql(self) -> Compiled:
        """For psycopg."""
        return Compiled(self.statement, _POSTGRESQL)


class Compiled:
    """The text of a statement for one driver, and how values go in and come out."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._places: list[_Place] = [
            (
                name,
                compiled.params[name],
                compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect),
            )
            for name in compiled.positiontup
        ]
        self._types = [column.type.dialect_impl(dialect) for column in statement.exported_columns]
        names = [column.key for column in statement.exported_columns]
        row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024
        self._make = row._make
        self._dialect = dialect
        self._converts: list[_Convert | None] = []

    def run(self, driver: Any, values: dict[str, Any]) -> Rows:
        """Execute on a connection or a cursor of the driver, and read all that comes back."""
        cursor = driver.execute(self._text, _placed(self._places, values))
        if cursor.description is None or not self._types:
            return Rows([], cursor.rowcount)
        if not self._converts:  # what is to be converted depends on what the server calls it
            self._converts = [
                kind.result_processor(self._dialect, column[1])
                for kind, column in zip(self._types, cursor.description, strict=True)
            ]
        if not any(self._converts):
            rows = [self._make(row) for row in cursor.fetchall()]
        else:
            rows = [
                self._make(
                    value if convert is None else convert(value)
                    for value, convert in zip(row, self._converts, strict=True)
                )
                for row in cursor.fetchall()
            ]
        return Rows(rows, len(rows))

    def run_each(self, cursor: Any, every: Sequence[dict[str, Any]]) -> None:
        """Execute for each of `every`; nothing comes back."""
        cursor.executemany(self._text, [_placed(self._places, values) for values in every])


def _placed(places: list[_Place], values: dict[str, Any]) -> list[Any]:
    return [
        value if convert is None else convert(value)
        for name, constant, convert in places
        for value in (values.get(name, constant),)
    ]


class Rows:
    """What a statement gave: rows with the names of its columns, and how many it touched."""

    def __init__(self, rows: list[Any], count: int) -> None:
        self.all = rows
        self.count = count

    @property
    def first(self) -> Any | None:
        """The first row, or None."""
        return self.all[0] if self.all else None


class Direct:
    """A transaction that has begun; statements run in it."""

    def __init__(self, connection: Connection | sqlite3.Connection) -> None:
        """`connection` may be that of a session: everything before and after is one transaction."""
        self._connection = connection
        driver: Any = connection
        if isinstance(connection, Connection):
            driver = connection.connection.driver_connection
        self._driver = driver
        self._is_sqlite = isinstance(driver, sqlite3.Connection)

    @property
    def connection(self) -> Connection | None:
        """SQLAlchemy's connection; None on SQLite, which has one writer at a time and is near."""
        return None if self._is_sqlite else cast("Connection", self._connection)

    def run(self, prepared: Prepared, **values: Any) -> Rows:
        """Execute `prepared`; an error is SQLAlchemy's, as from everywhere else."""
        if self._is_sqlite:
            try:
                return prepared.on_sqlite.run(self._driver, values)
            except sqlite3.Error as error:
                raise _told(error) from error
        try:
            return prepared.on_postgresql.run(self._driver, values)
        except self._errors as error:
            self._notice_loss(prepared, values)
            raise _told(error) from error

    def run_each(self, prepared: Prepared, every: Sequence[dict[str, Any]]) -> None:
        """Execute `prepared` for each of `every` in one go; nothing comes back."""
        if self._is_sqlite:
            try:
                prepared.on_sqlite.run_each(self._driver, every)
            except sqlite3.Error as error:
                raise _told(error) from error
            return
        try:
            prepared.on_postgresql.run_each(self._driver.cursor(), every)
        except self._errors as error:
            self._notice_loss(prepared, every[0])
            raise _told(error) from error

    @contextmanager
    def at_once(self) -> Iterator[Direct]:
        """Statements that give nothing back, sent together: one round trip for all of them."""
        if self._is_sqlite:
            yield self
            return
        try:
            with self._driver.pipeline():
                yield self
        except self._errors as error:
            if self._driver.closed:
                cast("Connection", self._connection).exec_driver_sql("SELECT 1")
            raise _told(error) from error

    @property
    def _errors(self) -> type[Exception]:
        dialect: Any = cast("Connection", self._connection).dialect
        return cast("type[Exception]", dialect.loaded_dbapi.Error)

    def _notice_loss(self, prepared: Prepared, values: dict[str, Any]) -> None:
        """Of a lost connection SQLAlchemy learns by trying itself: it then drops those beside it."""
        if self._driver.closed:
            cast("Connection", self._connection).execute(prepared.statement, values)


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


def alone(engine: Engine, prepared: Prepared, **values: Any) -> Rows:
    """A transaction of this one statement: on a server one round trip instead of three."""
    if engine.dialect.name == "sqlite":
        with transaction(engine) as direct:
            return direct.run(prepared, **values)
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    try:
        driver.autocommit = True
        return prepared.on_postgresql.run(driver, values)
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
            yield Direct(connection)
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
