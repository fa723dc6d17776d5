"""Rounds, data sets, drafts of labels, triggers; which version of a model is the current one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)
LIST = sa.JSON()
NAME = sa.String(255)
MOMENT = UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rounds",
        sa.Column("task_id", NAME, nullable=False),
        sa.Column("root_id", NAME, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("chosen", JSON, nullable=False),
        sa.Column("effort", JSON, nullable=False),
        sa.Column("comparison", JSON, nullable=False),
        sa.Column("dataset_sha256", NAME, nullable=True),
        sa.Column("decision", NAME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        _of_task("rounds", "task_id"),
        _of_task("rounds", "root_id"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("root_id", "number", name=op.f("uq_rounds_root_id_number")),
    )
    op.create_table(
        "datasets",
        sa.Column("root_id", NAME, nullable=False),
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("task_id", NAME, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent_sha256", NAME, nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("manifest", JSON, nullable=False),
        sa.Column("diff", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _of_task("datasets", "root_id"),
        sa.PrimaryKeyConstraint("root_id", "sha256", name=op.f("pk_datasets")),
    )
    op.create_index("ix_datasets_root_id_number", "datasets", ["root_id", "number"])
    op.create_index(op.f("ix_datasets_user_id"), "datasets", ["user_id"])
    op.create_index(op.f("ix_datasets_task_id"), "datasets", ["task_id"])
    op.create_table(
        "label_sheets",
        sa.Column("task_id", NAME, nullable=False),
        sa.Column("classes", LIST, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("finished_by", NAME, nullable=True),
        _of_task("label_sheets", "task_id"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_label_sheets")),
    )
    op.create_table(
        "label_drafts",
        sa.Column("task_id", NAME, nullable=False),
        sa.Column("frame", sa.Integer(), nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("boxes", LIST, nullable=False),
        sa.Column("suggested", LIST, nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("lease_user", NAME, nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("updated_by", NAME, nullable=True),
        sa.Column("updated_at", MOMENT, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        _of_task("label_drafts", "task_id"),
        sa.PrimaryKeyConstraint("task_id", "frame", name=op.f("pk_label_drafts")),
    )
    op.create_index("ix_label_drafts_task_id_state", "label_drafts", ["task_id", "state"])
    op.create_table(
        "label_items",
        sa.Column("task_id", NAME, nullable=False),
        sa.Column("frame", sa.Integer(), nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("item", NAME, nullable=True),
        _of_task("label_items", "task_id"),
        sa.PrimaryKeyConstraint("task_id", "frame", name=op.f("pk_label_items")),
    )
    op.create_table(
        "retrain_triggers",
        sa.Column("root_id", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("state", JSON, nullable=False),
        sa.Column("last_fired_at", MOMENT, nullable=True),
        sa.Column("last_reason", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        _of_task("retrain_triggers", "root_id"),
        sa.PrimaryKeyConstraint("root_id", name=op.f("pk_retrain_triggers")),
    )
    op.create_index(op.f("ix_retrain_triggers_user_id"), "retrain_triggers", ["user_id"])
    for column in (
        sa.Column("state", NAME, nullable=False, server_default="CANDIDATE"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("promoted_at", MOMENT, nullable=True),
        sa.Column("onnx_sha256", NAME, nullable=True),
        sa.Column("variant", NAME, nullable=False, server_default="fp32"),
    ):
        op.add_column("models", column)
    op.create_index(
        op.f("ix_models_current"),
        "models",
        ["name"],
        unique=True,
        sqlite_where=sa.text("state = 'CURRENT'"),
        postgresql_where=sa.text("state = 'CURRENT'"),
    )


def _of_task(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_tasks")
    return sa.ForeignKeyConstraint([column], ["tasks.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    op.drop_index(op.f("ix_models_current"), "models")
    for name in ("variant", "onnx_sha256", "promoted_at", "reason", "state"):
        op.drop_column("models", name)
    for table in (
        *("retrain_triggers", "label_items", "label_drafts", "label_sheets"),
        *("datasets", "rounds"),
    ):
        op.drop_table(table)
