"""API keys of the caller: for programs, which have no password to type."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.api_gateway import accounts_repository as repository
from services.api_gateway.account_schemas import KeyList, KeyWish, NewKeyView
from services.api_gateway.errors import ManyKeys
from shared.admission.callers import key_and_row
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses

MOST = 50  # keys of one user
router = APIRouter(prefix="/keys")


@router.get("")
def list_keys(platform: InPlatform, caller: InCaller) -> KeyList:
    """Your API keys: when each was made and last used; of the key itself only its first letters."""
    with platform.reads() as session:
        return KeyList(
            items=[repository.key_view(row) for row in repository.keys(session, caller.user_id)]
        )


@router.post("", status_code=201, responses=responses(409))
def make_key(
    platform: InPlatform, caller: InCaller, response: Response, wish: KeyWish
) -> NewKeyView:
    """A new API key of yours; this answer is the only one that ever has it."""
    response.headers["Cache-Control"] = "no-store"
    with platform.sessions.begin() as session:
        if len(repository.keys(session, caller.user_id)) >= MOST:
            raise ManyKeys(MOST)
        key, row = key_and_row(session, caller.user_id, wish.label)
        return NewKeyView(**repository.key_view(row).model_dump(), key=key)


@router.delete("/{key_id}", status_code=204, responses=responses(404))
def revoke_key(platform: InPlatform, caller: InCaller, key_id: str) -> None:
    """Make a key of yours useless, within seconds and for ever."""
    with platform.sessions.begin() as session:
        repository.revoke_key(session, caller.user_id, key_id)
