"""Bringing a database to the version of the code."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from shared.db import (  # noqa: F401 - they name tables
    account_models,
    learning_models,
    models,
    operation_models,
    speech_models,
)
from shared.db.base import Base

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 4_826_511_377  # any number that nobody else locks
_ALONE = text(f"SELECT pg_advisory_lock({_LOCK})")
_NO_LONGER = text(f"SELECT pg_advisory_unlock({_LOCK})")


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing; harmless when none is, or when another process does it."""
    if engine.dialect.name == "sqlite":  # its one writer's lock is enough
        command.upgrade(_config(engine), "head")
        return
    with engine.connect() as connection:
        connection.execute(_ALONE)  # until the connection closes
        connection.commit()
        try:
            command.upgrade(_config(engine), "head")
        finally:
            connection.execute(_NO_LONGER)
            connection.commit()


def pending(engine: Engine) -> bool:
    """Whether the database is behind the code."""
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present != ScriptDirectory(str(FOLDER)).get_current_head()


def differences(engine: Engine) -> list[object]:
    """What the models have and the migrated database has not, or the other way round."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return list(compare_metadata(context, Base.metadata))
