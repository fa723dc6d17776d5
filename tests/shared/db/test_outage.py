"""Errors of the database, as the work that meets them is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.db.engine import open_engine
from shared.db.outage import outage
from shared.errors import OutOfSpace, Unavailable
from tests.servers.postgres import Postgres


def failing(url: str, *statements: str) -> DBAPIError:
    engine = open_engine(url)
    with pytest.raises(DBAPIError) as told, engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
    return told.value


def test_a_full_disk_under_sqlite_says_so(tmp_path: Path) -> None:
    error = failing(
        f"sqlite:///{tmp_path / 'a.db'}",
        "PRAGMA max_page_count = 3",
        "CREATE TABLE t (x)",
        "INSERT INTO t VALUES (zeroblob(100000))",
    )
    assert isinstance(outage(error), OutOfSpace)


def test_a_locked_sqlite_is_asked_again(tmp_path: Path) -> None:
    error = DBAPIError.instance(None, None, _busy(tmp_path), sqlite3.Error)
    assert isinstance(outage(error), Unavailable)


def _busy(folder: Path) -> sqlite3.OperationalError:
    one, other = (sqlite3.connect(folder / "b.db", timeout=0) for _ in range(2))
    one.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError) as told:
        other.execute("BEGIN EXCLUSIVE")
    return told.value


def test_a_mistake_of_ours_is_no_outage(tmp_path: Path, postgres_url: str) -> None:
    sqlite = failing(f"sqlite:///{tmp_path / 'a.db'}", "CREATE TABLE t (x UNIQUE)", *_TWICE)
    assert isinstance(sqlite, IntegrityError)
    assert outage(sqlite) is None
    assert outage(failing(postgres_url, "SELECT nothing")) is None
    assert outage(ValueError("x")) is None


_TWICE = ("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)")


def test_a_postgres_that_dies_or_is_not_there_comes_back(
    postgres_url: str, postgres: Postgres
) -> None:
    killed = failing(postgres_url, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert isinstance(outage(killed), Unavailable)
    away = failing("postgresql+psycopg://nobody@127.0.0.1:1/nothing", "SELECT 1")
    assert isinstance(outage(away), Unavailable)
