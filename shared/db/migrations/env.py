"""Alembic's entry: migrate the engine that `shared.db.migrate` hands over."""

from __future__ import annotations

from alembic import context

from shared.db import (  # noqa: F401 - they name tables
    account_models,
    learning_models,
    models,
    operation_models,
    speech_models,
)
from shared.db.base import Base

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
