"""The tables of those who log in by a password."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.base import Base, now


class Password(Base):
    """How a user logs in; users with keys alone have none."""

    __tablename__ = "passwords"
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    hash: Mapped[str]  # Argon2id, with its parameters
    changed_at: Mapped[datetime] = mapped_column(default=now)


class LoginAttempts(Base):
    """How often somebody lately tried to log in under a name, whether there is such a user or not.

    An address from which the name has logged in has a row of its own.
    """

    __tablename__ = "login_attempts"
    login_sha256: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)  # since the last success
    last_at: Mapped[datetime] = mapped_column(default=now, index=True)
    locked_until: Mapped[datetime | None]


class RefreshToken(Base):
    """A session's next ticket, of which only the hash is kept; each is good for one use.

    One that comes a second time was stolen, or its thief was quicker: the whole family ends.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index("ix_refresh_tokens_family", "family"),)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    family: Mapped[str]  # one login
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
