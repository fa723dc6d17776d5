"""Every query about accounts."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from services.api_gateway.account_schemas import KeyView
from shared.db.account_models import Password, RefreshToken
from shared.db.models import ApiKey, Task, Upload, User, now
from shared.errors import NotFound
from shared.messages import Sentence
from shared.web.paging import Cursor


def has_name(session: Session, name: str, *, but: str = "") -> bool:
    """Whether somebody else has the name, however its letters are written (large or small)."""
    same = or_(User.name == name, func.lower(User.name) == name.lower())
    return session.scalar(select(User.id).where(same, User.id != but).limit(1)) is not None


def has_email(session: Session, email: str, *, but: str = "") -> bool:
    """Whether somebody else has the address."""
    query = select(User.id).where(User.email == email, User.id != but)
    return session.scalar(query.limit(1)) is not None


def password_for(session: Session, login: str) -> tuple[str | None, str | None]:
    """Whom a name or an e-mail address belongs to, and the hash of their password."""
    mine = User.email == login if "@" in login else User.name == login
    row = session.execute(
        select(User.id, Password.hash)
        .join(Password, Password.user_id == User.id)
        .where(mine, User.leaving_at.is_(None))
    ).first()
    return (row.id, row.hash) if row is not None else (None, None)


def kept_password(session: Session, user_id: str) -> str | None:
    """The hash, if there is a password."""
    return session.scalar(select(Password.hash).where(Password.user_id == user_id))


def is_password(session: Session, user_id: str, kept: str) -> bool:
    """Whether `kept` still is what is kept; nobody changes it before the transaction ends."""
    row = session.get(Password, user_id, with_for_update=True)
    return row is not None and row.hash == kept


def set_password(session: Session, user_id: str, kept: str) -> None:
    """Keep a hash; what is a new password and what only a new hash of it is not told apart."""
    session.merge(Password(user_id=user_id, hash=kept, changed_at=now()))


# --- users ----------------------------------------------------------------------------------------


def user(session: Session, user_id: str) -> User:
    """Anybody's account, for admins; `NotFound` also for one that is on its way out."""
    found = session.get(User, user_id)
    if found is None or found.leaving_at is not None:
        raise NotFound(Sentence("error.no_user", user_id=user_id))
    return found


def users(
    session: Session, *, search: str | None, role: str | None, after: Cursor | None, limit: int
) -> list[User]:
    """The newest users after the cursor, at most `limit`."""
    query = select(User).where(User.leaving_at.is_(None))
    query = query.order_by(User.created_at.desc(), User.id.desc()).limit(limit)
    if search:
        query = query.where(
            or_(
                User.name.icontains(search, autoescape=True),
                User.email.icontains(search, autoescape=True),
            )
        )
    if role is not None:
        query = query.where(User.role == role)
    if after is not None:
        query = query.where(tuple_(User.created_at, User.id) < (after.moment, after.id))
    return list(session.scalars(query))


def is_last_admin(session: Session, user_id: str) -> bool:
    """Whether no other admin would be left; no other transaction can change that meanwhile."""
    admins = select(User.id).where(User.role == "admin", User.leaving_at.is_(None))
    return list(session.scalars(admins.order_by(User.id).with_for_update())) == [user_id]


def figures(session: Session, user_id: str) -> dict[str, int]:
    """How much of each kind a user has."""

    def count(column: ColumnElement[str], *which: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count(column)).where(*which)) or 0

    return {
        "tasks": count(Task.id, Task.user_id == user_id),
        "uploads": count(Upload.id, Upload.user_id == user_id),
        "api_keys": count(ApiKey.id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None)),
        "sessions": count(
            RefreshToken.sha256,
            RefreshToken.user_id == user_id,
            RefreshToken.used_at.is_(None),
            RefreshToken.revoked_at.is_(None),
            RefreshToken.expires_at > now(),
        ),
    }


# --- API keys -------------------------------------------------------------------------------------


def keys(session: Session, user_id: str) -> list[ApiKey]:
    """Those that were not revoked, newest first."""
    mine = select(ApiKey).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    return list(session.scalars(mine.order_by(ApiKey.created_at.desc(), ApiKey.id)))


def key_view(row: ApiKey) -> KeyView:
    """What is shown of a key."""
    return KeyView(
        id=row.id,
        label=row.label,
        prefix=row.hint,
        created_at=row.created_at,
        used_at=row.used_at,
    )


def revoke_key(session: Session, user_id: str, key_id: str) -> None:
    """Make one key useless; `NotFound` for one that is another's, or that was revoked before."""
    revoked = session.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(ApiKey.id)
    )
    if revoked.first() is None:
        raise NotFound(Sentence("error.no_key", key_id=key_id))
