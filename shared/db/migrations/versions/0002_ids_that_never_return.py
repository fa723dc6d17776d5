"""Ids of task events are never given twice; indexes for lists and for models by their path."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table(
        "task_events", recreate="always", table_kwargs={"sqlite_autoincrement": True}
    ):
        pass  # SQLite can only make it so by copying the table; PostgreSQL has always done so
    op.create_index("ix_tasks_created_at_id", "tasks", ["created_at", "id"])
    op.create_index("ix_models_path", "models", ["path"])


def downgrade() -> None:
    op.drop_index("ix_models_path", "models")
    op.drop_index("ix_tasks_created_at_id", "tasks")
