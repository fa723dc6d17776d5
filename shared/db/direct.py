"""Statements that every task of every step needs, at the price that SQLite asks for them.

SQLAlchemy takes 30 microseconds a statement and 40 a transaction where SQLite takes 3, mostly for
things that never change; beside a task that does nothing that is the greater part. `Prepared`
compiles a statement once, and `Direct` hands it to SQLite itself. Any other database is a network
away: there both are SQLAlchemy as ever.
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
from sqlalchemy.exc import DBAPIError

from shared.db.engine import begin_sqlite

_DIALECT = sqlite.dialect()
_Convert = Callable[[Any], Any]
_Place = tuple[str, Any, _Convert | None]


class Prepared:
    """A statement with named parameters (`bindparam`), none of which is a list of values."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement

    @cached_property
    def _compiled(self) -> tuple[str, list[_Place]]:
        """The text, and for each place in it: name, value unless given, conversion."""
        compiled: Any = self.statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        places = [
            (
                name,
                compiled.params[name],
                compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT),
            )
            for name in compiled.positiontup
        ]
        return str(compiled), places

    @cached_property
    def _columns(self) -> tuple[Callable[..., Any], list[_Convert | None]]:
        columns: Any = self.statement.exported_columns  # type: ignore[attr-defined]
        converts = [
            column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
            for column in columns
        ]
        names = tuple(column.key for column in columns)
        row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024
        return row._make, converts

    def on_sqlite(self, connection: sqlite3.Connection, values: dict[str, Any]) -> Rows:
        """Execute, and read all that comes back."""
        text, places = self._compiled
        cursor = connection.execute(text, _placed(places, values))
        if cursor.description is None:
            return Rows([], cursor.rowcount)
        make, converts = self._columns
        rows = [
            make(
                value if convert is None else convert(value)
                for value, convert in zip(row, converts, strict=True)
            )
            for row in cursor.fetchall()
        ]
        return Rows(rows, len(rows))

    def each_on_sqlite(
        self, connection: sqlite3.Connection, every: Sequence[dict[str, Any]]
    ) -> None:
        """Execute for each of `every`; nothing comes back."""
        text, places = self._compiled
        connection.executemany(text, [_placed(places, values) for values in every])


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
        driver = connection
        if isinstance(connection, Connection):
            driver = connection.connection.driver_connection  # type: ignore[assignment]
        self._sqlite = driver if isinstance(driver, sqlite3.Connection) else None

    @property
    def connection(self) -> Connection | None:
        """SQLAlchemy's connection; None where statements go straight to SQLite."""
        return None if self._sqlite is not None else cast("Connection", self._connection)

    def run(self, prepared: Prepared, **values: Any) -> Rows:
        """Execute `prepared`; an error is SQLAlchemy's, as from everywhere else."""
        if self._sqlite is not None:
            try:
                return prepared.on_sqlite(self._sqlite, values)
            except sqlite3.Error as error:
                raise _told(error) from error
        assert isinstance(self._connection, Connection)
        result = self._connection.execute(prepared.statement, values)
        if not result.returns_rows:
            return Rows([], result.rowcount)
        rows = list(result)
        return Rows(rows, len(rows))

    def run_each(self, prepared: Prepared, every: Sequence[dict[str, Any]]) -> None:
        """Execute `prepared` for each of `every` in one go; nothing comes back."""
        if self._sqlite is not None:
            try:
                prepared.each_on_sqlite(self._sqlite, every)
            except sqlite3.Error as error:
                raise _told(error) from error
            return
        assert isinstance(self._connection, Connection)
        self._connection.execute(prepared.statement, list(every))


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
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return Direct(connection).run(prepared, **values)


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


def _told(error: sqlite3.Error) -> BaseException:
    return DBAPIError.instance(None, None, error, sqlite3.Error)
