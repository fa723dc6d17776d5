"""Texts whose words are marked in the audio of a take."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.audio_analyzer.audio_files import SENT, sound
from services.audio_analyzer.catalogue_schemas import (
    LineState,
    ScriptPage,
    ScriptWish,
    ScriptWithWords,
)
from services.audio_analyzer.lines import Lines
from services.audio_analyzer.repository import Filters
from services.audio_analyzer.takes import take
from shared.web.access import InAdmin, InCaller, InPlatform, InPressure
from shared.web.conditional import ANSWERS, conditional
from shared.web.files import SentFile
from shared.web.openapi import file_body, responses

router = APIRouter(prefix="/scripts", tags=["scripts"])
ScriptId = Annotated[str, Path(max_length=255)]


def scripts_of(request: Request, platform: InPlatform, caller: InCaller) -> Lines:
    """The scripts, for this request."""
    return Lines(platform, caller, request, "script")


InScripts = Annotated[Lines, Depends(scripts_of)]


@router.get("", response_model=ScriptPage, responses={**ANSWERS, **responses(422)})
def list_scripts(
    request: Request,
    scripts: InScripts,
    q: Annotated[str, Query(max_length=200, description="Words of text, title or actor")] = "",
    actor_id: Annotated[str | None, Query(max_length=255)] = None,
    state: LineState | None = None,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Scripts without their words, newest first; `best_score` and `bookmarked` are yours."""
    return conditional(request, scripts.page(Filters(q, actor_id, state=state), cursor, limit))


@router.post("", status_code=201, responses=responses(403, 404))
def create_script(
    scripts: InScripts, admin: InAdmin, wish: ScriptWish, answer: Response
) -> ScriptWithWords:
    """A script for the catalogue; its audio follows with `PUT /scripts/{id}/audio` (admins)."""
    del admin
    made = scripts.create(wish)
    answer.headers["Location"] = f"/scripts/{made.id}"
    return made  # type: ignore[return-value]


@router.get("/{script_id}", response_model=ScriptWithWords, responses={**ANSWERS, **responses(404)})
def show_script(request: Request, scripts: InScripts, script_id: ScriptId) -> Response:
    """A script with the state of its audio, and its words there."""
    return conditional(request, scripts.show(script_id))


@router.put("/{script_id}", responses=responses(403, 404, 412))
def change_script(
    scripts: InScripts, admin: InAdmin, script_id: ScriptId, wish: ScriptWish
) -> ScriptWithWords:
    """Replace text, title and actor; with `If-Match`, only if nobody else has meanwhile (admins)."""
    del admin
    return scripts.change(script_id, wish)  # type: ignore[return-value]


@router.delete("/{script_id}", status_code=204, responses=responses(403, 404, 412))
def delete_script(scripts: InScripts, admin: InAdmin, script_id: ScriptId) -> None:
    """Remove a script with its audio, and what learners' recordings of it were worth (admins)."""
    del admin
    scripts.remove(script_id)


@router.put(
    "/{script_id}/audio",
    status_code=202,
    responses=responses(403, 404, 415, 507),
    openapi_extra=file_body("take.wav"),
)
async def set_script_audio(
    request: Request,
    scripts: InScripts,
    admin: InAdmin,
    pressure: InPressure,
    script_id: ScriptId,
) -> ScriptWithWords:
    """The actor's take (multipart, field `file`): prepared in the background, then READY (admins)."""
    del admin
    return await take(request, scripts, pressure, script_id)  # type: ignore[return-value]


@router.head("/{script_id}/audio", include_in_schema=False)
@router.get("/{script_id}/audio", response_class=SentFile, responses=SENT)
def script_audio(request: Request, scripts: InScripts, script_id: ScriptId) -> Response:
    """The actor's take; ranges are honoured, so that a player can seek."""
    return sound(scripts.platform, request, *scripts.take(script_id))
