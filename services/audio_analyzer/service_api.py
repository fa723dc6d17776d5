"""This mesh as an analysis server of others: audio by address in, a signed call of a webhook out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path
from fastapi.responses import JSONResponse

from services.audio_analyzer import service
from services.audio_analyzer import standing as standings
from services.audio_analyzer.remote_schemas import (
    ScriptWish,
    ServiceAccepted,
    Standing,
    VoiceWish,
)
from shared.web.access import InCaller, InPlatform, InPressure
from shared.web.openapi import responses

router = APIRouter(tags=["analysis"])
ANSWERS = responses(400, 403, 404, 422)
AskedWith = Annotated[
    str,
    Path(
        max_length=255,
        examples=["73732cad.1"],
        description="The Idempotency-Key or job_id that it was asked with, or its task_id",
    ),
]
Key = Annotated[
    str | None,
    Header(min_length=1, max_length=255, examples=["73732cad.1"], alias="Idempotency-Key"),
]


@router.post("/analyze-voice", status_code=202, responses=ANSWERS)
def analyze_voice(
    platform: InPlatform,
    caller: InCaller,
    pressure: InPressure,
    wish: VoiceWish,
    idempotency_key: Key = None,
) -> ServiceAccepted:
    """Compare a recording with an actor's line, both at addresses, and call the webhook.

    The same `job_id` (or `Idempotency-Key`) again is the same comparison.
    """
    return service.accept(platform, caller, pressure, "token", wish, wish.text, idempotency_key)


@router.post("/analyze-script", status_code=202, responses=ANSWERS)
def analyze_script(
    platform: InPlatform,
    caller: InCaller,
    pressure: InPressure,
    wish: ScriptWish,
    idempotency_key: Key = None,
) -> ServiceAccepted:
    """The same with a script, whose text may come as words."""
    return service.accept(platform, caller, pressure, "script", wish, wish.said, idempotency_key)


@router.get("/analyses/{key}", responses=responses(400, 404), response_model=Standing)
def standing(platform: InPlatform, caller: InCaller, key: AskedWith) -> JSONResponse:
    """What the webhook was told, for a caller that has missed it; `processing` before that."""
    return JSONResponse(standings.standing(platform, caller, key))
