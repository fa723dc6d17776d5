"""The tables of lines and of those who say them after actors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shared.db.base import Base, new_id, now


class Actor(Base):
    """Somebody whose takes are in the catalogue."""

    __tablename__ = "actors"
    __table_args__ = (Index("ix_actors_name_id", "name", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    searched: Mapped[str] = mapped_column(unique=True)  # the name as searches compare it
    about: Mapped[str] = mapped_column(Text, default="")
    image_url: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class _Spoken:
    """What an actor's take is, and how far its features are."""

    text: Mapped[str] = mapped_column(Text)
    searched: Mapped[str] = mapped_column(Text)  # text and title as searches compare them
    audio_key: Mapped[str | None] = mapped_column(Text)  # in the storage
    audio_sha256: Mapped[str | None]
    duration_s: Mapped[float | None]
    features_key: Mapped[str | None] = mapped_column(Text)  # of the scorer's document
    feature_version: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="NO_AUDIO")  # PREPARING | READY | FAILED
    preparing_task: Mapped[str | None]  # that computes the features, or did so last
    problem: Mapped[
        dict[str, Any] | None
    ]  # why FAILED: key and fields of the sentence, and its text
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Token(_Spoken, Base):
    """An actor's quote from a film, with the audio of the take."""

    __tablename__ = "tokens"
    __table_args__ = (
        Index("ix_tokens_created_at_id", "created_at", "id"),
        Index("ix_tokens_actor_id_created_at", "actor_id", "created_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    actor_id: Mapped[str] = mapped_column(ForeignKey("actors.id", ondelete="RESTRICT"))
    film: Mapped[str]
    actor: Mapped[Actor] = relationship(lazy="raise")


class Script(_Spoken, Base):
    """A text whose words are marked in the audio of a take."""

    __tablename__ = "scripts"
    __table_args__ = (
        Index("ix_scripts_created_at_id", "created_at", "id"),
        Index("ix_scripts_actor_id_created_at", "actor_id", "created_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    actor_id: Mapped[str | None] = mapped_column(ForeignKey("actors.id", ondelete="RESTRICT"))
    title: Mapped[str]
    actor: Mapped[Actor | None] = relationship(lazy="raise")
    words: Mapped[list[Word]] = relationship(
        lazy="raise", order_by="Word.position", cascade="all, delete-orphan", passive_deletes=True
    )


class Word(Base):
    """A word of a script: where it lies in the take, and how it sounds."""

    __tablename__ = "words"
    script_id: Mapped[str] = mapped_column(
        ForeignKey("scripts.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    start_s: Mapped[float | None]
    end_s: Mapped[float | None]
    mfcc: Mapped[list[Any]] = mapped_column(default=list)  # coefficients averaged over the word
    features: Mapped[dict[str, Any]] = mapped_column(default=dict)
    feature_version: Mapped[str | None]


class AnalysisResult(Base):
    """One recording compared with one take; `job_id` is the task that did it."""

    __tablename__ = "analysis_results"
    __table_args__ = (
        CheckConstraint("(token_id IS NULL) <> (script_id IS NULL)", name="one_subject"),
        Index("ix_analysis_results_user_id_created_at", "user_id", "created_at"),
        Index("ix_analysis_results_cache_key", "cache_key"),
        Index("ix_analysis_results_token_id", "token_id"),
        Index("ix_analysis_results_script_id", "script_id"),
    )
    job_id: Mapped[str] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_id: Mapped[str | None] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"))
    script_id: Mapped[str | None] = mapped_column(ForeignKey("scripts.id", ondelete="CASCADE"))
    recording_key: Mapped[str] = mapped_column(Text)
    recording_sha256: Mapped[str]
    cache_key: Mapped[str | None]  # recording, reference, scorer and its version; set when stored
    status: Mapped[str] = mapped_column(default="processing")  # completed | failed
    recognition: Mapped[str | None]
    pron_score: Mapped[float | None]  # 0..100, as the four below
    accuracy: Mapped[float | None]
    fluency: Mapped[float | None]
    prosody: Mapped[float | None]
    completeness: Mapped[float | None]
    result: Mapped[dict[str, Any] | None]
    problem: Mapped[dict[str, Any] | None]  # why it failed: key, fields and text of the sentence
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class Bookmark(Base):
    """A line that a user wants to find again."""

    __tablename__ = "bookmarks"
    __table_args__ = (
        CheckConstraint("(token_id IS NULL) <> (script_id IS NULL)", name="one_subject"),
        Unique("user_id", "token_id"),
        Unique("user_id", "script_id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_id: Mapped[str | None] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"))
    script_id: Mapped[str | None] = mapped_column(ForeignKey("scripts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=now)
