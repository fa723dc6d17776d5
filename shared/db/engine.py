"""Opening the database by its URL, with the settings each kind needs."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session, sessionmaker

BUSY_TIMEOUT_MS = 30_000
PING_AFTER_S = 1.0
_USED_AT = "actverse.used_at"  # in the `info` of a connection
PAUSES_S = (0.0002,) * 10 + (0.0005,) * 10 + (0.001,) * 10


def open_engine(url: str) -> Engine:
    """An engine for `url`; nothing is connected before the first use, so that forks stay clean."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        # the one used last comes first: its process on the server still knows statements and tables
        engine = create_engine(parsed, pool_size=5, max_overflow=10, pool_use_lifo=True)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_ping_idle, engine))
        return engine
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _note_use(driver: Any, record: Any) -> None:
    del driver
    record.info[_USED_AT] = time.monotonic()


def _ping_idle(engine: Engine, driver: Any, record: Any, proxy: object) -> None:
    """See whether a connection still lives; not when it did a moment ago, for that is a round trip.

    One that dies within that moment fails its statement, as one does that dies in the middle.
    """
    del proxy
    if time.monotonic() - record.info.get(_USED_AT, time.monotonic()) < PING_AFTER_S:
        return
    try:
        alive = engine.dialect.do_ping(driver)
    except engine.dialect.loaded_dbapi.Error:
        alive = False
    if not alive:
        raise DisconnectionError("The server has closed the connection.")


def _prepare_sqlite(connection: Any, record: object) -> None:
    """WAL lets readers go on while one writes; the driver's own BEGIN is switched off for ours."""
    del record
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the lock at once: a lock upgraded in the middle fails instead of waiting."""
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    try:
        begin_sqlite(connection.connection.driver_connection, f"BEGIN {mode}")
    except sqlite3.Error:
        connection.exec_driver_sql(
            f"BEGIN {mode}"
        )  # fails as SQLAlchemy's users expect, if it does


def begin_sqlite(sqlite: Any, statement: str) -> None:
    """Begin; if somebody writes, ask for the lock again and again.

    SQLite itself asks again after 1, 2, 5, 10 ... 100 ms, which is long beside our transactions: they
    take a part of a millisecond, and an event lets two processes write at the same moment.
    """
    sqlite.execute("PRAGMA busy_timeout=0")
    try:
        for pause_s in PAUSES_S:
            try:
                sqlite.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                time.sleep(pause_s)
            else:
                return
    finally:
        sqlite.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    sqlite.execute(statement)  # now SQLite's own patience


def writers(engine: Engine) -> sessionmaker[Session]:
    """Sessions that may write."""
    return sessionmaker(engine, expire_on_commit=False)


def readers(engine: Engine) -> sessionmaker[Session]:
    """Sessions that only read, and so never wait for a writer."""
    return sessionmaker(engine.execution_options(sqlite_begin="DEFERRED"), expire_on_commit=False)
