"""Accounts with passwords; lines of actors, their words, and how learners said them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.db.base import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)
LIST = sa.JSON()
NAME = sa.String(255)
MOMENT = UtcDateTime(timezone=True)


def upgrade() -> None:

    op.create_table(
        "actors",
        sa.Column("id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("searched", NAME, nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actors")),
        sa.UniqueConstraint("name", name=op.f("uq_actors_name")),
        sa.UniqueConstraint("searched", name=op.f("uq_actors_searched")),
    )
    op.create_index("ix_actors_name_id", "actors", ["name", "id"], unique=False)
    op.create_table(
        "login_attempts",
        sa.Column("login_sha256", NAME, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("locked_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("login_sha256", name=op.f("pk_login_attempts")),
    )
    op.create_index(op.f("ix_login_attempts_last_at"), "login_attempts", ["last_at"], unique=False)
    op.create_table(
        "passwords",
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("hash", NAME, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_passwords_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_passwords")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("family", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_refresh_tokens_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["family"], unique=False)
    op.create_index(op.f("ix_refresh_tokens_user_id"), "refresh_tokens", ["user_id"], unique=False)
    op.create_table(
        "scripts",
        sa.Column("id", NAME, nullable=False),
        sa.Column("actor_id", NAME, nullable=True),
        sa.Column("title", NAME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("audio_key", sa.Text(), nullable=True),
        sa.Column("audio_sha256", NAME, nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("features_key", sa.Text(), nullable=True),
        sa.Column("feature_version", NAME, nullable=True),
        sa.Column("state", NAME, nullable=False),
        sa.Column("preparing_task", NAME, nullable=True),
        sa.Column("problem", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"],
            ["actors.id"],
            name=op.f("fk_scripts_actor_id_actors"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scripts")),
    )
    op.create_index(
        "ix_scripts_actor_id_created_at", "scripts", ["actor_id", "created_at"], unique=False
    )
    op.create_index("ix_scripts_created_at_id", "scripts", ["created_at", "id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", NAME, nullable=False),
        sa.Column("actor_id", NAME, nullable=False),
        sa.Column("film", NAME, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("audio_key", sa.Text(), nullable=True),
        sa.Column("audio_sha256", NAME, nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("features_key", sa.Text(), nullable=True),
        sa.Column("feature_version", NAME, nullable=True),
        sa.Column("state", NAME, nullable=False),
        sa.Column("preparing_task", NAME, nullable=True),
        sa.Column("problem", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_tokens_actor_id_actors"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
    )
    op.create_index(
        "ix_tokens_actor_id_created_at", "tokens", ["actor_id", "created_at"], unique=False
    )
    op.create_index("ix_tokens_created_at_id", "tokens", ["created_at", "id"], unique=False)
    op.create_table(
        "analysis_results",
        sa.Column("job_id", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("token_id", NAME, nullable=True),
        sa.Column("script_id", NAME, nullable=True),
        sa.Column("recording_key", sa.Text(), nullable=False),
        sa.Column("recording_sha256", NAME, nullable=False),
        sa.Column("cache_key", NAME, nullable=True),
        sa.Column("status", NAME, nullable=False),
        sa.Column("recognition", NAME, nullable=True),
        sa.Column("pron_score", sa.Double(), nullable=True),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("fluency", sa.Double(), nullable=True),
        sa.Column("prosody", sa.Double(), nullable=True),
        sa.Column("completeness", sa.Double(), nullable=True),
        sa.Column("result", JSON, nullable=True),
        sa.Column("problem", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint("(token_id IS NULL) <> (script_id IS NULL)", name="one_subject"),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["tasks.id"],
            name=op.f("fk_analysis_results_job_id_tasks"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["script_id"],
            ["scripts.id"],
            name=op.f("fk_analysis_results_script_id_scripts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["tokens.id"],
            name=op.f("fk_analysis_results_token_id_tokens"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_analysis_results_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_analysis_results")),
    )
    op.create_index(
        "ix_analysis_results_cache_key", "analysis_results", ["cache_key"], unique=False
    )
    op.create_index(
        "ix_analysis_results_script_id", "analysis_results", ["script_id"], unique=False
    )
    op.create_index("ix_analysis_results_token_id", "analysis_results", ["token_id"], unique=False)
    op.create_index(
        "ix_analysis_results_user_id_created_at",
        "analysis_results",
        ["user_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "bookmarks",
        sa.Column("id", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("token_id", NAME, nullable=True),
        sa.Column("script_id", NAME, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("(token_id IS NULL) <> (script_id IS NULL)", name="one_subject"),
        sa.ForeignKeyConstraint(
            ["script_id"],
            ["scripts.id"],
            name=op.f("fk_bookmarks_script_id_scripts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["token_id"],
            ["tokens.id"],
            name=op.f("fk_bookmarks_token_id_tokens"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_bookmarks_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookmarks")),
        sa.UniqueConstraint("user_id", "script_id", name=op.f("uq_bookmarks_user_id_script_id")),
        sa.UniqueConstraint("user_id", "token_id", name=op.f("uq_bookmarks_user_id_token_id")),
    )
    op.create_table(
        "words",
        sa.Column("script_id", NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", NAME, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=True),
        sa.Column("end_s", sa.Double(), nullable=True),
        sa.Column("mfcc", LIST, nullable=False),
        sa.Column("features", JSON, nullable=False),
        sa.Column("feature_version", NAME, nullable=True),
        sa.ForeignKeyConstraint(
            ["script_id"],
            ["scripts.id"],
            name=op.f("fk_words_script_id_scripts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("script_id", "position", name=op.f("pk_words")),
    )
    op.add_column("api_keys", sa.Column("label", NAME, server_default="", nullable=False))
    op.add_column("api_keys", sa.Column("hint", NAME, server_default="", nullable=False))
    op.add_column("api_keys", sa.Column("used_at", MOMENT, nullable=True))
    op.add_column("users", sa.Column("email", NAME, nullable=True))
    op.add_column("users", sa.Column("leaving_at", MOMENT, nullable=True))
    op.create_index(op.f("ix_users_email"), "users", ["email"], unique=True)
    op.create_index(op.f("ix_users_leaving_at"), "users", ["leaving_at"], unique=False)


def downgrade() -> None:

    op.drop_index(op.f("ix_users_leaving_at"), table_name="users")
    op.drop_index(op.f("ix_users_email"), table_name="users")
    op.drop_column("users", "leaving_at")
    op.drop_column("users", "email")
    op.drop_column("api_keys", "used_at")
    op.drop_column("api_keys", "hint")
    op.drop_column("api_keys", "label")
    op.drop_table("words")
    op.drop_table("bookmarks")
    op.drop_index("ix_analysis_results_user_id_created_at", table_name="analysis_results")
    op.drop_index("ix_analysis_results_token_id", table_name="analysis_results")
    op.drop_index("ix_analysis_results_script_id", table_name="analysis_results")
    op.drop_index("ix_analysis_results_cache_key", table_name="analysis_results")
    op.drop_table("analysis_results")
    op.drop_index("ix_tokens_created_at_id", table_name="tokens")
    op.drop_index("ix_tokens_actor_id_created_at", table_name="tokens")
    op.drop_table("tokens")
    op.drop_index("ix_scripts_created_at_id", table_name="scripts")
    op.drop_index("ix_scripts_actor_id_created_at", table_name="scripts")
    op.drop_table("scripts")
    op.drop_index(op.f("ix_refresh_tokens_user_id"), table_name="refresh_tokens")
    op.drop_index("ix_refresh_tokens_family", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_table("passwords")
    op.drop_index("ix_login_attempts_last_at", table_name="login_attempts")
    op.drop_table("login_attempts")
    op.drop_index("ix_actors_name_id", table_name="actors")
    op.drop_table("actors")
