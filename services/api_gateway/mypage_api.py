"""The profile of the caller; what they have learned stands beside it, with the lines."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import IntegrityError

from services.api_gateway import accounts_repository as repository
from services.api_gateway import departure
from services.api_gateway.account_schemas import (
    AccountDeletion,
    ProfileChange,
    ProfileView,
    UserView,
)
from services.api_gateway.accounts import see_free
from services.api_gateway.errors import EmailTaken
from shared.db.models import User
from shared.platform import Platform
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses

router = APIRouter(prefix="/mypage", tags=["accounts"])


@router.get("")
def profile(platform: InPlatform, caller: InCaller) -> ProfileView:
    """Your account, and how much it owns."""
    return _profile(platform, caller.user_id)


@router.patch("", responses=responses(409))
def change_profile(platform: InPlatform, caller: InCaller, wish: ProfileChange) -> ProfileView:
    """Change your name, e-mail address or the language of your news; what is not given stays."""
    change = wish.model_dump(exclude_none=True)
    try:
        with platform.sessions.begin() as session:
            see_free(session, wish.name, wish.email, of=caller.user_id)
            user = session.get_one(User, caller.user_id)
            for field, value in change.items():
                setattr(user, field, value)
    except IntegrityError as error:  # somebody was quicker by a moment
        raise EmailTaken from error
    return _profile(platform, caller.user_id)


@router.delete("", status_code=202, responses={**responses(404, 409), **departure.ANSWER})
def delete_account(
    platform: InPlatform,
    caller: InCaller,
    request: Request,
    response: Response,
    *,
    dry_run: departure.DryRun = False,
) -> AccountDeletion:
    """Delete your account with tasks, recordings, results, bookmarks, uploads and files.

    Keys and sessions open nothing from this moment on, work is cancelled, and the rest is gone soon
    after; there is no way back. 409 names what is in the way: others who need a model of yours, or
    that you are the last admin.
    """
    return departure.depart(platform, request, response, caller.user_id, dry_run=dry_run)


def _profile(platform: Platform, user_id: str) -> ProfileView:
    with platform.reads() as session:
        user = session.get_one(User, user_id)
        return ProfileView(
            **UserView.model_validate(user, from_attributes=True).model_dump(),
            has_password=repository.kept_password(session, user_id) is not None,
            **repository.figures(session, user_id),
        )
