"""Every table of the mesh."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.base import Base, BigId, new_id, now


class User(Base):
    """Who owns tasks."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None] = mapped_column(index=True, unique=True)  # in lower case
    role: Mapped[str] = mapped_column(default="user")
    language: Mapped[str] = mapped_column(default="en")
    notify_urls: Mapped[list[Any]] = mapped_column(default=list)
    leaving_at: Mapped[datetime | None] = mapped_column(index=True)  # asked to be deleted
    created_at: Mapped[datetime] = mapped_column(default=now)


class ApiKey(Base):
    """A key, of which only the hash is kept."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str] = mapped_column(default="", server_default="")  # what its owner calls it
    hint: Mapped[str] = mapped_column(default="", server_default="")  # its first letters
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]  # to the hour or so
    revoked_at: Mapped[datetime | None]


class Task(Base):
    """One run of one pipeline for one user."""

    __tablename__ = "tasks"
    __table_args__ = (
        Unique("user_id", "idempotency_key"),
        Index("ix_tasks_user_id_created_at", "user_id", "created_at"),
        Index("ix_tasks_state_created_at", "state", "created_at"),
        Index("ix_tasks_created_at_id", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    pipeline: Mapped[str]
    state: Mapped[str] = mapped_column(default="QUEUED")
    options: Mapped[dict[str, Any]]
    context: Mapped[dict[str, Any]]  # options and the payload of every fact so far
    error: Mapped[dict[str, Any] | None]
    idempotency_key: Mapped[str | None]
    request_sha256: Mapped[str | None]
    cancel_requested_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class StepRun(Base):
    """One attempt at one step of one task; moved only by compare-and-set on `state`."""

    __tablename__ = "step_runs"
    __table_args__ = (
        Unique("task_id", "name", "attempt"),
        Index("ix_step_runs_state_service_queued_at", "state", "service", "queued_at"),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    name: Mapped[str]
    service: Mapped[str]
    position: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default="PENDING")
    event_id: Mapped[str | None]
    token: Mapped[str | None]  # of the dispatched canvas; prefix of its Celery ids
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str | None] = mapped_column(Text)
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[dict[str, Any] | None]
    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    revived_at: Mapped[datetime | None]  # last sent again; while it waits: last asked about


class WorkRun(Base):
    """One Celery task of a step attempt: who holds it, and its result once done."""

    __tablename__ = "work_runs"
    step_run_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("step_runs.id", ondelete="CASCADE"), primary_key=True
    )
    task: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="RUNNING")
    holder: Mapped[str | None]  # host:pid:start time
    held_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    progress: Mapped[float] = mapped_column(default=0.0)
    job: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class TaskEvent(Base):
    """What watchers of a task see, in order; `id` is the Last-Event-ID of the stream.

    An id is never given twice (AUTOINCREMENT on SQLite): a progress note replaces the one before
    it, and with a reused id nobody who had seen the old one would see the new.
    """

    __tablename__ = "task_events"
    __table_args__ = (
        Index("ix_task_events_task_id_id", "task_id", "id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    step: Mapped[str | None]
    kind: Mapped[str]  # state | progress | note
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=now)


class Outgoing(Base):
    """The outbox: events that were decided in a transaction and not yet published."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_published_at_id", "published_at", "id"),)
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    task_id: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    published_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(default=now)  # later after each failure
    tries: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)


class Incoming(Base):
    """The inbox: which consumer has handled which event."""

    __tablename__ = "inbox"
    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)


class Epoch(Base):
    """The figures of one training epoch."""

    __tablename__ = "epochs"
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    epoch: Mapped[int] = mapped_column(primary_key=True)
    epochs: Mapped[int]
    figures: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=now)


class Labeling(Base):
    """A set of frames in the hands of a labeling tool."""

    __tablename__ = "labelings"
    __table_args__ = (Index("ix_labelings_state", "state"),)
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    engine: Mapped[str]
    ref: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(default="OPEN")
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    rate: Mapped[float] = mapped_column(default=0.0)  # frames a minute
    problems: Mapped[list[Any]] = mapped_column(default=list)
    opened_at: Mapped[datetime] = mapped_column(default=now)
    polled_at: Mapped[datetime | None]


class Model(Base):
    """One version of a model in the registry, with where it came from."""

    __tablename__ = "models"
    __table_args__ = (
        Unique("name", "version"),
        Index("ix_models_path", "path"),
        Index(  # one version of a model is current, whoever decides at the same moment
            "ix_models_current",
            "name",
            unique=True,
            sqlite_where=text("state = 'CURRENT'"),
            postgresql_where=text("state = 'CURRENT'"),
        ),
    )
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    name: Mapped[str]
    version: Mapped[int]
    task_id: Mapped[str | None] = mapped_column(index=True)
    user_id: Mapped[str | None] = mapped_column(index=True)
    path: Mapped[str]
    weights_sha256: Mapped[str]
    classes: Mapped[list[Any]]
    image_size: Mapped[int]
    metrics: Mapped[dict[str, Any]]
    lineage: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(default="CANDIDATE", server_default="CANDIDATE")
    reason: Mapped[str | None] = mapped_column(Text)  # why it is what it is
    promoted_at: Mapped[datetime | None]
    onnx_sha256: Mapped[str | None]
    variant: Mapped[str] = mapped_column(default="fp32", server_default="fp32")  # what is served
    created_at: Mapped[datetime] = mapped_column(default=now)


class Deployment(Base):
    """A version of a model on the model server."""

    __tablename__ = "deployments"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[str | None] = mapped_column(index=True)
    user_id: Mapped[str | None] = mapped_column(index=True)
    model: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    state: Mapped[str] = mapped_column(default="READY")
    server: Mapped[str]
    parity: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Output(Base):
    """A result file of a task."""

    __tablename__ = "outputs"
    task_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    content_type: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Upload(Base):
    """A file that a user sent to the gateway."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    filename: Mapped[str]
    key: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    state: Mapped[str] = mapped_column(default="READY", server_default="READY")  # or PENDING
    created_at: Mapped[datetime] = mapped_column(default=now)
