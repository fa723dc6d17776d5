"""Everybody's accounts, for admins."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from services.api_gateway import accounts_repository as repository
from services.api_gateway import departure
from services.api_gateway.account_schemas import (
    AccountDeletion,
    NewUser,
    Role,
    UserChange,
    UserPage,
    UserView,
)
from services.api_gateway.accounts import InAccounts
from services.api_gateway.errors import LastAdmin
from shared.db.models import User
from shared.platform import Platform
from shared.web.access import InAdmin, InPlatform
from shared.web.language import language_of
from shared.web.openapi import responses
from shared.web.paging import Cursor

router = APIRouter(prefix="/users")


@router.get("", responses=responses(403))
def list_users(
    platform: InPlatform,
    admin: InAdmin,
    q: Annotated[str | None, Query(max_length=100, description="In the name or address")] = None,
    role: Role | None = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> UserPage:
    """Every account, newest first."""
    del admin
    after = Cursor.parse(cursor) if cursor else None
    with platform.reads() as session:
        found = repository.users(session, search=q, role=role, after=after, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return UserPage(
        items=[_view(user) for user in shown],
        next=str(Cursor.after(shown[-1].created_at, shown[-1].id)) if more else None,
    )


@router.post("", status_code=201, responses=responses(403, 409))
async def make_user(
    request: Request, admin: InAdmin, accounts: InAccounts, wish: NewUser
) -> UserView:
    """Make an account for somebody, also where registration is closed."""
    del admin
    return _view(await accounts.register(wish, language_of(request)))


@router.patch("/{user_id}", responses=responses(403, 404, 409))
async def change_user(
    platform: InPlatform, admin: InAdmin, accounts: InAccounts, user_id: str, wish: UserChange
) -> UserView:
    """Make somebody an admin or no longer one, or give them a new password."""
    del admin
    found = await run_sync(_with_role, platform, user_id, wish.role)
    if wish.password is not None:
        await accounts.set_password(found, wish.password)
    return _view(found)


def _with_role(platform: Platform, user_id: str, role: str | None) -> User:
    with platform.sessions.begin() as session:
        found = repository.user(session, user_id)
        if role == "user" and repository.is_last_admin(session, user_id):
            raise LastAdmin
        found.role = role or found.role
        return found


@router.delete(
    "/{user_id}", status_code=202, responses={**responses(403, 404, 409), **departure.ANSWER}
)
def delete_user(
    platform: InPlatform,
    admin: InAdmin,
    request: Request,
    response: Response,
    user_id: str,
    *,
    dry_run: departure.DryRun = False,
) -> AccountDeletion:
    """Delete somebody's account with all that it owns, as they could themselves."""
    del admin
    return departure.depart(platform, request, response, user_id, dry_run=dry_run)


def _view(user: User) -> UserView:
    return UserView.model_validate(user, from_attributes=True)
