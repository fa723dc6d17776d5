"""Who is asking: by an API key, of which the database has only a hash, or by the token of a login."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from shared.admission import access_tokens, sessions
from shared.admission.access_tokens import Claims
from shared.db.account_models import RefreshToken
from shared.db.models import ApiKey, Task, User, now
from shared.errors import Forbidden, NotFound, Unauthorised
from shared.flow.deletion import BeingDeleted
from shared.flow.states import State
from shared.messages import Sentence
from shared.net.secret_file import OWNER_ONLY, replace_secret
from shared.platform import Platform

KEY_FILE = "api_key"
KEY_PREFIX = "av_"  # by which logs and people recognise one
HINT_LETTERS = 8  # of a key, by which its owner tells it from others
USE_NOTED_EVERY = timedelta(hours=1)
_STAYS = User.leaving_at.is_(None)
_GOOD_KEY = (ApiKey.revoked_at.is_(None), _STAYS)
"""What lets a key in, looked up alone or with others."""
ASKED_AT_ONCE = 500  # keys in one question


@dataclass(frozen=True)
class Caller:
    """The user behind a request."""

    user_id: str
    name: str
    role: str
    session: str | None = None  # the login; None for an API key

    @property
    def is_admin(self) -> bool:
        """Whether every task is open to this user."""
        return self.role == "admin"

    def may_see(self, owner_id: str) -> bool:
        """Whether what belongs to the user `owner_id` is open to this one."""
        return self.is_admin or self.user_id == owner_id


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def identify(platform: Platform, key: str | None) -> Caller:
    """Whose API key or access token it is.

    `Unauthorised` for none, for one that is unknown or revoked, and for a session that has ended.
    """
    if not key:
        raise Unauthorised(Sentence("error.key_needed"))
    caller = _logged_in(platform, key) if access_tokens.is_token(key) else _with_key(platform, key)
    if caller is None:
        raise Unauthorised(Sentence("error.key_unknown"))
    return caller


def _logged_in(platform: Platform, token: str) -> Caller | None:
    claims = access_tokens.claims_of(platform.settings, token)
    with platform.reads() as session:
        user = session.get(User, claims.user_id)
        if user is None or user.leaving_at is not None:
            return None
        if not session.scalar(select(sessions.goes_on(claims))):
            raise sessions.SessionEnded
    return Caller(user.id, user.name, user.role, claims.session)


def _with_key(platform: Platform, key: str) -> Caller | None:
    with platform.reads() as session:
        found = session.execute(
            select(User, ApiKey.id, ApiKey.used_at)
            .join(ApiKey, ApiKey.user_id == User.id)
            .where(ApiKey.sha256 == _digest(key), *_GOOD_KEY)
        ).first()
    if found is None:
        return None
    user, key_id, used_at = found
    _note_use(platform, key_id, used_at)
    return Caller(user.id, user.name, user.role)


def still_known(platform: Platform, keys: Collection[str]) -> dict[str, Caller]:
    """Whose each of these keys and tokens is now; those that are nobody's any more are left out.

    For many at once, that were looked up before: two questions for five hundred of them.
    """
    known: dict[str, Caller] = {}
    some = list(keys)
    with platform.reads() as session:
        for first in range(0, len(some), ASKED_AT_ONCE):
            known |= _known_keys(session, some[first : first + ASKED_AT_ONCE])
            known |= _known_tokens(session, platform, some[first : first + ASKED_AT_ONCE])
    return known


def _known_keys(session: Session, keys: Collection[str]) -> dict[str, Caller]:
    digests = {_digest(key): key for key in keys if not access_tokens.is_token(key)}
    query = (
        select(ApiKey.sha256, User.id, User.name, User.role)
        .join(User, User.id == ApiKey.user_id)
        .where(ApiKey.sha256.in_(digests), *_GOOD_KEY)
    )
    return {digests[sha256]: Caller(*user) for sha256, *user in session.execute(query)}


def _known_tokens(session: Session, platform: Platform, keys: Collection[str]) -> dict[str, Caller]:
    claimed: dict[str, Claims] = {}
    for key in keys:
        if access_tokens.is_token(key):
            with contextlib.suppress(Unauthorised):
                claimed[key] = access_tokens.claims_of(platform.settings, key)
    query = (
        select(RefreshToken.family, User.id, User.name, User.role)
        .join(User, User.id == RefreshToken.user_id)
        .where(
            RefreshToken.family.in_({claims.session for claims in claimed.values()}),
            sessions.NOT_ENDED,
            _STAYS,
        )
    )
    going_on = {
        Claims(user_id, family): Caller(user_id, name, role, family)
        for family, user_id, name, role in session.execute(query)
    }
    return {key: going_on[claims] for key, claims in claimed.items() if claims in going_on}


def _note_use(platform: Platform, key_id: str, used_at: datetime | None) -> None:
    """Once an hour; a database that cannot write now keeps nobody out."""
    moment = now()
    if used_at is not None and moment - used_at < USE_NOTED_EVERY:
        return
    with contextlib.suppress(OperationalError), platform.sessions.begin() as session:
        session.execute(update(ApiKey).where(ApiKey.id == key_id).values(used_at=moment))


def new_key(session: Session, user: User, label: str = "") -> str:
    """Make a key for `user`; this is the only moment at which it can be read."""
    return key_and_row(session, user.id, label)[0]


def key_and_row(session: Session, user_id: str, label: str) -> tuple[str, ApiKey]:
    """A new key, and what is kept of it."""
    key = f"{KEY_PREFIX}{secrets.token_urlsafe(32)}"
    row = ApiKey(user_id=user_id, sha256=_digest(key), label=label, hint=key[:HINT_LETTERS])
    session.add(row)
    session.flush()
    return key, row


def user_named(session: Session, name: str) -> User:
    """The user of that name, made when there is none."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        user = User(name=name)
        session.add(user)
        session.flush()
    return user


def revoke_keys(session: Session, user: User) -> int:
    """Make every key of `user` useless; how many there were."""
    keys = session.scalars(
        select(ApiKey).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    ).all()
    for key in keys:
        key.revoked_at = now()
    return len(keys)


def first_key(platform: Platform) -> str:
    """The key of the first user, made at the first start and kept in the data folder (mode 600).

    One that is lost is made anew: whoever starts the mesh here may read this folder anyway.
    """
    path = platform.settings.data_dir / KEY_FILE
    with platform.sessions.begin() as session:
        admins = select(User).where(User.role == "admin", User.leaving_at.is_(None))
        admin = session.scalar(admins.order_by(User.created_at))
        if admin is not None and path.exists():
            kept = path.read_text(encoding="utf-8").strip()
            if session.scalar(
                select(ApiKey.id).where(ApiKey.sha256 == _digest(kept), ApiKey.revoked_at.is_(None))
            ):
                path.chmod(OWNER_ONLY)
                return kept
        return _write_key(session, admin or _new_admin(session), path)


def ensure_first_key(platform: Platform) -> None:
    """See that a cluster's first gateway makes the first user with a key, and no other does.

    Gateways come and go, and their folders with them: each would leave a key behind. Several may
    start at once; whoever comes second finds the name taken, or the user there.
    """
    with contextlib.suppress(IntegrityError), platform.sessions.begin() as session:
        if session.scalar(select(User.id).where(User.role == "admin").limit(1)) is None:
            _write_key(session, _new_admin(session), platform.settings.data_dir / KEY_FILE)


def _new_admin(session: Session) -> User:
    admin = User(name="admin", role="admin")
    session.add(admin)
    session.flush()
    return admin


def _write_key(session: Session, admin: User, path: Path) -> str:
    key = new_key(session, admin, "first")
    replace_secret(path, key)
    return key


def acting_for(session: Session, caller: Caller, user_id: str | None) -> str:
    """The user whom a submitted task belongs to: the caller, or whom an admin names (id or name)."""
    if user_id is None or user_id in {caller.user_id, caller.name}:
        return caller.user_id
    if not caller.is_admin:
        raise Forbidden(Sentence("error.acting_for", caller=caller.name, user_id=user_id))
    known = session.get(User, user_id)
    return (known or user_named(session, user_id)).id


def own_task(session: Session, caller: Caller, task_id: str, *, deleting: bool = False) -> Task:
    """The task, if it is the caller's; else the same 404 as for one that does not exist.

    One that is being deleted is for those only who say that they would look at it (`deleting`).
    """
    task = session.get(Task, task_id)
    if task is None or not caller.may_see(task.user_id):
        raise no_task(task_id)
    if task.state == State.DELETING and not deleting:
        raise BeingDeleted(task_id)
    return task


def no_task(task_id: str) -> NotFound:
    """What somebody hears of a task that is not there, and of one that is not theirs."""
    return NotFound(Sentence("error.no_task", task_id=task_id))
