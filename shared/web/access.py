"""Who is asking: API keys, of which the database has only hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db.models import ApiKey, Task, User
from shared.errors import Forbidden, NotFound, Unauthorised
from shared.platform import Platform

KEY_FILE = "api_key"
_bearer = HTTPBearer(auto_error=False, description="An API key of Actverse")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of Actverse")


@dataclass(frozen=True)
class Caller:
    """The user behind a request."""

    user_id: str
    name: str
    role: str

    @property
    def is_admin(self) -> bool:
        """Whether every task is open to this user."""
        return self.role == "admin"


def platform_of(request: Request) -> Platform:
    """The platform that the app was made with."""
    platform: Platform = request.app.state.platform
    return platform


InPlatform = Annotated[Platform, Depends(platform_of)]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def caller_of(
    platform: InPlatform,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
) -> Caller:
    """The caller, by `Authorization: Bearer <key>` or `X-API-Key: <key>`; else 401."""
    key = bearer.credentials if bearer else header
    if not key:
        raise Unauthorised(
            "This needs an API key: send it as 'Authorization: Bearer <key>'. "
            "`make up` prints the first key."
        )
    with platform.reads() as session:
        user = session.scalar(
            select(User)
            .join(ApiKey, ApiKey.user_id == User.id)
            .where(ApiKey.sha256 == _digest(key), ApiKey.revoked_at.is_(None))
        )
    if user is None:
        raise Unauthorised("This API key is not known, or was revoked.")
    return Caller(user.id, user.name, user.role)


InCaller = Annotated[Caller, Depends(caller_of)]


def new_key(session: Session, user: User) -> str:
    """Make a key for `user`; this is the only moment at which it can be read."""
    key = f"av_{secrets.token_urlsafe(32)}"
    session.add(ApiKey(user_id=user.id, sha256=_digest(key)))
    return key


def first_key(platform: Platform) -> str:
    """The key of the first user, made at the first start and kept in the data folder (mode 600)."""
    path: Path = platform.settings.data_dir / KEY_FILE
    with platform.sessions.begin() as session:
        admin = session.scalar(select(User).where(User.role == "admin").order_by(User.created_at))
        if admin is not None and path.exists():
            kept = path.read_text(encoding="utf-8").strip()
            if session.scalar(select(ApiKey.id).where(ApiKey.sha256 == _digest(kept))):
                return kept
        if admin is None:
            admin = User(name="admin", role="admin")
            session.add(admin)
            session.flush()
        key = new_key(session, admin)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(key + "\n")
        return key


def acting_for(session: Session, caller: Caller, user_id: str | None) -> str:
    """The user whom a submitted task belongs to: the caller, or whom an admin names."""
    if user_id is None or user_id in {caller.user_id, caller.name}:
        return caller.user_id
    if not caller.is_admin:
        raise Forbidden(f"Your key belongs to {caller.name!r}; it cannot act for {user_id!r}.")
    user = session.scalar(select(User).where((User.id == user_id) | (User.name == user_id)))
    if user is None:
        user = User(name=user_id)
        session.add(user)
        session.flush()
    return user.id


def own_task(session: Session, caller: Caller, task_id: str) -> Task:
    """The task, if it is the caller's; else the same 404 as for one that does not exist."""
    task = session.get(Task, task_id)
    if task is None or not (caller.is_admin or task.user_id == caller.user_id):
        raise NotFound(f"There is no task {task_id}; GET /tasks/ lists yours.")
    return task
