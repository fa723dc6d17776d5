"""The tables of the learning loop: rounds, data sets, drafts of labels, triggers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.base import Base, now


class Round(Base):
    """One round of labels, training and comparison; round one is the task itself."""

    __tablename__ = "rounds"
    __table_args__ = (Unique("root_id", "number"),)
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    root_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    number: Mapped[int]
    chosen: Mapped[dict[str, Any]] = mapped_column(default=dict)  # frames by strategy
    effort: Mapped[dict[str, Any]] = mapped_column(default=dict)  # accepted, moved, seconds ...
    comparison: Mapped[dict[str, Any]] = mapped_column(default=dict)  # new, current, global
    dataset_sha256: Mapped[str | None]
    decision: Mapped[str | None]  # CURRENT | CANDIDATE
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class Dataset(Base):
    """A version of a data set: named by its content, never changed."""

    __tablename__ = "datasets"
    __table_args__ = (Index("ix_datasets_root_id_number", "root_id", "number"),)
    root_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    task_id: Mapped[str] = mapped_column(index=True)  # the round that made it
    number: Mapped[int]
    parent_sha256: Mapped[str | None]
    key: Mapped[str] = mapped_column(Text)  # where its manifest lies
    manifest: Mapped[dict[str, Any]] = mapped_column(default=dict)  # counts, not the files
    diff: Mapped[dict[str, Any]] = mapped_column(default=dict)  # against the parent
    created_at: Mapped[datetime] = mapped_column(default=now)


class LabelSheet(Base):
    """A labeling in the built-in labeler: what the boxes may be, and whether somebody finished it."""

    __tablename__ = "label_sheets"
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    classes: Mapped[list[Any]] = mapped_column(default=list)
    title: Mapped[str] = mapped_column(Text, default="")
    instructions: Mapped[str] = mapped_column(Text, default="")
    finished_at: Mapped[datetime | None]
    finished_by: Mapped[str | None]  # the user who said so


class LabelDraft(Base):
    """A frame in the built-in labeler: what is suggested, what is drawn, who has it open."""

    __tablename__ = "label_drafts"
    __table_args__ = (Index("ix_label_drafts_task_id_state", "task_id", "state"),)
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    frame: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[str]
    key: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(default="unseen")  # labelled | empty | unseen | skipped
    boxes: Mapped[list[Any]] = mapped_column(default=list)
    suggested: Mapped[list[Any] | None]  # None: no model looked
    seconds: Mapped[float] = mapped_column(default=0.0)  # that people had it open
    lease_user: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    updated_by: Mapped[str | None]
    updated_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=0)


class LabelItem(Base):
    """A frame as an outside labeling tool knows it."""

    __tablename__ = "label_items"
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    frame: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[str]
    item: Mapped[str | None]  # the tool's own name; None while it is on its way


class RetrainTrigger(Base):
    """When a further round begins by itself."""

    __tablename__ = "retrain_triggers"
    root_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(index=True)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what it has seen so far
    last_fired_at: Mapped[datetime | None]
    last_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
