"""Opening the database by its URL, with the settings each kind needs."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

BUSY_TIMEOUT_MS = 30_000
PAUSES_S = (0.0002,) * 10 + (0.0005,) * 10 + (0.001,) * 10


def open_engine(url: str) -> Engine:
    """An engine for `url`; nothing is connected before the first use, so that forks stay clean."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=5, max_overflow=10)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


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
