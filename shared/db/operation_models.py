"""The tables of those who keep the mesh running: what was given up, and who is called about what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.base import Base, BigId, new_id, now


class Parked(Base):
    """A message that was delivered too often, or refused, taken out of the broker."""

    __tablename__ = "parked"
    __table_args__ = (Index("ix_parked_settled_id", "settled", "id"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(unique=True)  # the same message handed over twice is one row
    queue: Mapped[str]
    name: Mapped[str]  # of the event, or of the Celery task
    task_id: Mapped[str | None] = mapped_column(index=True)
    headers: Mapped[dict[str, Any]]
    properties: Mapped[dict[str, Any]]  # of AMQP: content type, correlation id ...
    content: Mapped[str] = mapped_column(Text)  # the body as it was published
    reason: Mapped[str] = mapped_column(Text)
    deliveries: Mapped[int]
    parked_at: Mapped[datetime] = mapped_column(default=now)
    settled: Mapped[str | None]  # None while it waits for a decision, else replayed | discarded
    settled_at: Mapped[datetime | None]


class Webhook(Base):
    """An address of a user that is called about the events of the user's tasks."""

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str]  # signs every call; shown once
    events: Mapped[list[Any]] = mapped_column(default=list)  # names; empty = all
    created_at: Mapped[datetime] = mapped_column(default=now)
    disabled_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one webhook: its state, its tries, the last answer."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Unique("webhook_id", "event_id"),
        Index("ix_webhook_deliveries_state_due_at", "state", "due_at"),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[str]
    name: Mapped[str]
    task_id: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="PENDING")  # DELIVERED | FAILED
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)
    status: Mapped[int | None]  # of the last answer
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    delivered_at: Mapped[datetime | None]


class NoticeDelivery(Base):
    """One piece of news for one address; the address itself stays with the user or the task."""

    __tablename__ = "notice_deliveries"
    __table_args__ = (
        Unique("address", "event_id"),
        Index("ix_notice_deliveries_state_due_at", "state", "due_at"),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str]  # a digest: the URL holds secrets
    event_id: Mapped[str]
    name: Mapped[str]
    task_id: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="PENDING")  # DELIVERED | FAILED
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    delivered_at: Mapped[datetime | None]
