"""Logging in and out: registration, access and refresh tokens, passwords."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Form, Request, Response

from services.api_gateway import accounts_repository as repository
from services.api_gateway import keys_api, users_api
from services.api_gateway.account_schemas import (
    LoginForm,
    MeView,
    PasswordChange,
    Registration,
    Renewal,
    TicketsView,
    UserView,
)
from services.api_gateway.accounts import InAccounts, see_open
from shared.admission import sessions
from shared.admission.sessions import Tickets
from shared.db.models import User
from shared.web.access import InCaller, InPlatform
from shared.web.language import language_of
from shared.web.openapi import responses

router = APIRouter(prefix="/auth", tags=["accounts"])


async def _slowed(request: Request, accounts: InAccounts) -> str:
    """The address that asks, unless it does so too often: for routes that strangers may call."""
    address = request.client.host if request.client else "unknown"
    await accounts.slow_down(address)
    return address


slowed = Depends(_slowed)


@router.post(
    "/register", status_code=201, dependencies=[slowed], responses=responses(403, 409, 429)
)
async def register(
    request: Request, platform: InPlatform, accounts: InAccounts, wish: Registration
) -> UserView:
    """Make an account; log in with it afterwards. 403 where only admins make accounts."""
    see_open(platform.settings, request)
    made = await accounts.register(wish, language_of(request))
    return UserView.model_validate(made, from_attributes=True)


@router.post("/login", responses=responses(401, 429))
async def log_in(
    accounts: InAccounts,
    response: Response,
    address: Annotated[str, slowed],
    form: Annotated[LoginForm, Form()],
) -> TicketsView:
    """Name or e-mail address and password (a form, as OAuth 2 has it) for two tokens.

    Send the access token as `Authorization: Bearer <token>`, and the refresh token to
    `/auth/refresh` before it expires. Too many wrong passwords answer 429 for a growing while.
    """
    return _told(response, await accounts.log_in(form.username, form.password, address))


@router.post("/refresh", dependencies=[slowed], responses=responses(401, 429))
async def refresh(platform: InPlatform, response: Response, renewal: Renewal) -> TicketsView:
    """The next two tokens. One that is used a second time ends its session: somebody copied it."""
    return _told(response, await run_sync(sessions.renew, platform, renewal.refresh_token))


@router.post("/logout", status_code=204, dependencies=[slowed], responses=responses(429))
async def log_out(platform: InPlatform, renewal: Renewal) -> None:
    """End the session of a refresh token; 204 also for one that has ended before."""
    await run_sync(sessions.end, platform, renewal.refresh_token)


@router.post("/logout-all", status_code=204)
def log_out_everywhere(platform: InPlatform, caller: InCaller) -> None:
    """End every session of yours, this one too; API keys stay, see `/auth/keys`."""
    with platform.sessions.begin() as session:
        sessions.end_all(session, caller.user_id)


@router.get("/me")
def me(platform: InPlatform, caller: InCaller) -> MeView:
    """Who you are to this mesh, and by what."""
    with platform.reads() as session:
        user = session.get_one(User, caller.user_id)
        known = repository.kept_password(session, user.id) is not None
    view = UserView.model_validate(user, from_attributes=True)
    by = "login" if caller.session else "api_key"
    return MeView(**view.model_dump(), has_password=known, by=by)


@router.put("/password", status_code=204, responses=responses(403, 429))
async def change_password(caller: InCaller, accounts: InAccounts, wish: PasswordChange) -> None:
    """Set a password; every other session of yours ends.

    An account that only API keys open gets its first one this way, and may log in from then on.
    """
    await accounts.change_password(caller, wish.current_password, wish.new_password)


def _told(response: Response, tickets: Tickets) -> TicketsView:
    response.headers["Cache-Control"] = "no-store"
    return TicketsView.model_validate(tickets, from_attributes=True)


router.include_router(keys_api.router)
router.include_router(users_api.router)
