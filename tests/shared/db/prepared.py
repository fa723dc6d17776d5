"""A database with all its tables: a copy of one, where nobody looks at how it came to them."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from shared.db import migrate
from shared.db.engine import open_engine


def upgrade(engine: Engine) -> None:
    """What `migrate.upgrade` comes to; to run all migrations takes longer than most tests."""
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file and not Path(file).exists():
        shutil.copy(_migrated(), file)
    else:
        migrate.upgrade(engine)


@cache
def _migrated() -> Path:
    """Made once in a process, and removed with it."""
    folder = Path(tempfile.mkdtemp(prefix="actverse-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    engine = open_engine(f"sqlite:///{folder / 'with_its_log.db'}")
    migrate.upgrade(engine)
    engine.dispose()
    made = folder / "actverse.db"
    with contextlib.closing(sqlite3.connect(folder / "with_its_log.db")) as database:
        database.execute("VACUUM INTO ?", (str(made),))
    return made
