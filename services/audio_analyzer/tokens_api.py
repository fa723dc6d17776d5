"""Quotes of actors: the catalogue that learners choose from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.audio_analyzer.audio_files import SENT, sound
from services.audio_analyzer.catalogue_schemas import LineState, TokenPage, TokenView, TokenWish
from services.audio_analyzer.lines import Lines
from services.audio_analyzer.repository import Filters
from services.audio_analyzer.takes import take
from shared.web.access import InAdmin, InCaller, InPlatform, InPressure
from shared.web.conditional import ANSWERS, conditional
from shared.web.files import SentFile
from shared.web.openapi import file_body, responses

router = APIRouter(prefix="/tokens", tags=["tokens"])
TokenId = Annotated[str, Path(max_length=255)]


def tokens_of(request: Request, platform: InPlatform, caller: InCaller) -> Lines:
    """The tokens, for this request."""
    return Lines(platform, caller, request, "token")


InTokens = Annotated[Lines, Depends(tokens_of)]


@router.get("", response_model=TokenPage, responses={**ANSWERS, **responses(422)})
def list_tokens(
    request: Request,
    tokens: InTokens,
    q: Annotated[str, Query(max_length=200, description="Words of text, film or actor")] = "",
    actor_id: Annotated[str | None, Query(max_length=255)] = None,
    film: Annotated[str | None, Query(max_length=200, description="The whole title")] = None,
    state: LineState | None = None,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Quotes, newest first; `best_score` and `bookmarked` are yours."""
    return conditional(request, tokens.page(Filters(q, actor_id, film, state), cursor, limit))


@router.post("", status_code=201, responses=responses(403, 404))
def create_token(tokens: InTokens, admin: InAdmin, wish: TokenWish, answer: Response) -> TokenView:
    """A quote for the catalogue; its audio follows with `PUT /tokens/{id}/audio` (admins)."""
    del admin
    made = tokens.create(wish)
    answer.headers["Location"] = f"/tokens/{made.id}"
    return made  # type: ignore[return-value]


@router.get("/{token_id}", response_model=TokenView, responses={**ANSWERS, **responses(404)})
def show_token(request: Request, tokens: InTokens, token_id: TokenId) -> Response:
    """A quote with the state of its audio."""
    return conditional(request, tokens.show(token_id))


@router.put("/{token_id}", responses=responses(403, 404, 412))
def change_token(tokens: InTokens, admin: InAdmin, token_id: TokenId, wish: TokenWish) -> TokenView:
    """Replace text, film and actor; with `If-Match`, only if nobody else has meanwhile (admins)."""
    del admin
    return tokens.change(token_id, wish)  # type: ignore[return-value]


@router.delete("/{token_id}", status_code=204, responses=responses(403, 404, 412))
def delete_token(tokens: InTokens, admin: InAdmin, token_id: TokenId) -> None:
    """Remove a quote with its audio, and what learners' recordings of it were worth (admins)."""
    del admin
    tokens.remove(token_id)


@router.put(
    "/{token_id}/audio",
    status_code=202,
    responses=responses(403, 404, 415, 507),
    openapi_extra=file_body("take.wav"),
)
async def set_token_audio(
    request: Request,
    tokens: InTokens,
    admin: InAdmin,
    pressure: InPressure,
    token_id: TokenId,
) -> TokenView:
    """The actor's take (multipart, field `file`): prepared in the background, then READY (admins)."""
    del admin
    return await take(request, tokens, pressure, token_id)  # type: ignore[return-value]


@router.head("/{token_id}/audio", include_in_schema=False)
@router.get("/{token_id}/audio", response_class=SentFile, responses=SENT)
def token_audio(request: Request, tokens: InTokens, token_id: TokenId) -> Response:
    """The actor's take; ranges are honoured, so that a player can seek."""
    return sound(tokens.platform, request, *tokens.take(token_id))
