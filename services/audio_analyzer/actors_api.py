"""Those whose takes are in the catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from services.audio_analyzer import actors
from services.audio_analyzer.catalogue_schemas import ActorPage, ActorView, ActorWish
from shared.web.access import InAdmin, InCaller, InPlatform
from shared.web.conditional import ANSWERS, conditional
from shared.web.openapi import responses

router = APIRouter(prefix="/actors", tags=["actors"])
ActorId = Annotated[str, Path(max_length=255)]


@router.get("", response_model=ActorPage, responses={**ANSWERS, **responses(422)})
def list_actors(
    request: Request,
    platform: InPlatform,
    caller: InCaller,
    q: Annotated[str, Query(max_length=200, description="Words of the name")] = "",
    cursor: Annotated[str | None, Query(max_length=1000, description="`next` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Actors by name, with how many lines they have."""
    del caller
    return conditional(request, actors.page(platform, q, cursor, limit))


@router.post("", status_code=201, responses=responses(403, 409))
def create_actor(
    platform: InPlatform, admin: InAdmin, wish: ActorWish, answer: Response
) -> ActorView:
    """An actor for the catalogue (admins)."""
    del admin
    made = actors.create(platform, wish)
    answer.headers["Location"] = f"/actors/{made.id}"
    return made


@router.get("/{actor_id}", response_model=ActorView, responses={**ANSWERS, **responses(404)})
def show_actor(
    request: Request, platform: InPlatform, caller: InCaller, actor_id: ActorId
) -> Response:
    """One actor."""
    del caller
    return conditional(request, actors.show(platform, actor_id))


@router.put("/{actor_id}", responses=responses(403, 404, 409, 412))
def change_actor(
    request: Request, platform: InPlatform, admin: InAdmin, actor_id: ActorId, wish: ActorWish
) -> ActorView:
    """Replace name, description and picture; with `If-Match`, only if nobody else has (admins)."""
    del admin
    return actors.change(platform, request, actor_id, wish)


@router.delete("/{actor_id}", status_code=204, responses=responses(403, 404, 409, 412))
def delete_actor(request: Request, platform: InPlatform, admin: InAdmin, actor_id: ActorId) -> None:
    """Remove an actor who has no lines any more (admins)."""
    del admin
    actors.remove(platform, request, actor_id)
