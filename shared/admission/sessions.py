"""Logins that go on: each refresh token is good for one use and brings the next (RFC 9700, 4.14).

All tokens of one login are a family. One that comes a second time was copied, and nobody can tell which
of the two is the thief's: the family ends, and with it the access tokens that were made from it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from shared.admission import access_tokens
from shared.admission.access_tokens import Claims
from shared.db.account_models import RefreshToken
from shared.db.base import new_id
from shared.db.models import User, now
from shared.errors import Unauthorised
from shared.messages import Sentence
from shared.platform import Platform
from shared.settings import Settings

NOT_ENDED = RefreshToken.revoked_at.is_(None)
PREFIX = "avr_"  # by which logs and people recognise one
log = structlog.get_logger()


@dataclass(frozen=True)
class Tickets:
    """What a client holds of a session; only hashes of the second are kept here."""

    access_token: str
    refresh_token: str
    expires_in: int  # seconds that the first is good


class SessionEnded(Unauthorised):
    """A refresh token that brings nothing any more."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.session_ended"))


def begin(session: Session, settings: Settings, user: User) -> Tickets:
    """A new login of `user`."""
    return _next(session, settings, user.id, family=new_id())


def renew(platform: Platform, refresh_token: str) -> Tickets:
    """The next tickets for a refresh token that was not used; `SessionEnded` for any other."""
    digest = _digest(refresh_token)
    with platform.sessions.begin() as session:
        row = session.get(RefreshToken, digest)
        if row is None:
            raise SessionEnded
        unused = update(RefreshToken).where(
            RefreshToken.sha256 == digest,
            RefreshToken.used_at.is_(None),
            NOT_ENDED,
            RefreshToken.expires_at > now(),
            select(User.id).where(User.id == row.user_id, User.leaving_at.is_(None)).exists(),
        )
        mine = session.execute(
            unused.values(used_at=now()).returning(RefreshToken.sha256),
            execution_options={"synchronize_session": False},
        )
        if mine.first() is not None:
            return _next(session, platform.settings, row.user_id, family=row.family)
        ended = _end(session, RefreshToken.family == row.family)
        if row.used_at is not None and ended:
            log.warning("admission.refresh_token.reused", user_id=row.user_id)
    raise SessionEnded  # outside of the transaction, which must not be undone


def end(platform: Platform, refresh_token: str) -> None:
    """End the session of a refresh token, used or not; harmless for one that nobody knows."""
    with platform.sessions.begin() as session:
        row = session.get(RefreshToken, _digest(refresh_token))
        if row is not None:
            _end(session, RefreshToken.family == row.family)


def end_all(session: Session, user_id: str, *, but: str | None = None) -> int:
    """End every session of a user except `but`; how many refresh tokens that made useless."""
    return _end(session, RefreshToken.user_id == user_id, RefreshToken.family != (but or ""))


def goes_on(claims: Claims) -> ColumnElement[bool]:
    """Whether that login is the user's, and was neither ended nor forgotten."""
    return (
        select(RefreshToken.sha256)
        .where(
            RefreshToken.family == claims.session,
            RefreshToken.user_id == claims.user_id,
            NOT_ENDED,
        )
        .exists()
    )


def _next(session: Session, settings: Settings, user_id: str, *, family: str) -> Tickets:
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    ends = now() + timedelta(seconds=settings.accounts.refresh_token_s)
    session.add(
        RefreshToken(sha256=_digest(token), family=family, user_id=user_id, expires_at=ends)
    )
    signed = access_tokens.sign(settings, Claims(user_id, family))
    return Tickets(signed, token, settings.accounts.access_token_s)


def _end(session: Session, *which: ColumnElement[bool]) -> int:
    """Until there is none left: while we wait for a token that is being used, its next one is made."""
    ended = (
        update(RefreshToken)
        .where(*which, NOT_ENDED)
        .values(revoked_at=now())
        .returning(RefreshToken.sha256)
        .execution_options(synchronize_session=False)
    )
    count = 0
    while found := session.execute(ended).all():
        count += len(found)
    return count


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
