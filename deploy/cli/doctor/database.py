"""The database: its server, and whether it is at the version of the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from deploy.cli.doctor.finding import Finding, fine, wrong
from shared.db import migrate
from shared.platform import Platform

OLDEST_POSTGRESQL = 13
MIGRATE = "actverse migrate"


def not_made(platform: Platform) -> bool:
    """Whether this is a SQLite file that nobody has made yet."""
    file = platform.engine.url.database
    return platform.engine.dialect.name == "sqlite" and not Path(str(file)).exists()


def behind(platform: Platform, what: str) -> Finding | None:
    """What a check that reads tables finds where they may be missing; None where they are all there."""
    if not migrate.pending(platform.engine):
        return None
    return wrong(what, "cannot be seen: the database is behind the code", MIGRATE)


def version(platform: Platform) -> Iterator[Finding]:
    """Which server answers."""
    if not_made(platform):
        yield fine("database", "not made yet; the first `make up` does")
        return
    question = (
        "SELECT sqlite_version()"
        if platform.engine.dialect.name == "sqlite"
        else "SHOW server_version"
    )
    with platform.engine.connect() as connection:
        told = str(connection.execute(text(question)).scalar_one())
    name = "SQLite" if platform.engine.dialect.name == "sqlite" else "PostgreSQL"
    if name == "PostgreSQL" and int(told.split(".", maxsplit=1)[0]) < OLDEST_POSTGRESQL:
        yield wrong(
            "database",
            f"{name} {told} is older than {OLDEST_POSTGRESQL}",
            "upgrade the server (pg_upgrade, or dump and restore)",
        )
        return
    yield fine("database", f"{name} {told}")


def migrations(platform: Platform) -> Iterator[Finding]:
    """Whether any is missing."""
    if not_made(platform):
        yield fine("migrations", "no database yet")
    elif migrate.pending(platform.engine):
        yield wrong("migrations", "the database is behind the code", MIGRATE)
    else:
        yield fine("migrations", "the database is at the version of the code")
