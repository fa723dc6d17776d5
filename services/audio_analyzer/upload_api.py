"""Recordings of learners: uploaded, stored, and compared in the background."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from services.audio_analyzer.analysis_schemas import Processing
from services.audio_analyzer.recordings import Reception
from shared.admission.callers import Caller
from shared.events.speech import Subject
from shared.messages import say
from shared.web.access import InCaller
from shared.web.language import language_of, spoken_in
from shared.web.openapi import file_body, responses
from shared.web.waiting import LOCATION

ERRORS = responses(400, 404, 409, 413, 415, 422, 507)
TAKEN = {
    "model": Processing,
    "description": "Stored; follow it at `Location`",
    "headers": {"Location": LOCATION},
}


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One reception for all requests of the process."""
    app.state.reception = Reception(app.state.platform, app.state.pressure)
    await app.state.reception.warm()
    yield


router = APIRouter(lifespan=lifespan)


@router.post(
    "/tokens/{token_id}/upload-audio",
    status_code=202,
    tags=["tokens"],
    response_model=Processing,
    responses={**ERRORS, 202: TAKEN},
    openapi_extra=file_body("frankly.webm"),
)
async def upload_for_token(request: Request, caller: InCaller, token_id: str) -> JSONResponse:
    """Send how you say a quote (multipart/form-data, field `file`); at most two minutes."""
    return await _taken(request, caller, "token", token_id)


@router.post(
    "/scripts/{script_id}/upload-audio",
    status_code=202,
    tags=["scripts"],
    response_model=Processing,
    responses={**ERRORS, 202: TAKEN},
    openapi_extra=file_body("the-farewell.webm"),
)
async def upload_for_script(request: Request, caller: InCaller, script_id: str) -> JSONResponse:
    """Send how you say a script (multipart/form-data, field `file`); at most two minutes."""
    return await _taken(request, caller, "script", script_id)


async def _taken(request: Request, caller: Caller, subject: Subject, line_id: str) -> JSONResponse:
    reception: Reception = request.app.state.reception
    job_id = await reception.take(request, caller, subject, line_id)
    language = language_of(request)
    told = Processing(message=say("analysis.accepted", language), job_id=job_id)
    where = {"Location": f"/{subject}s/analysis-result/{job_id}"}
    return JSONResponse(told.model_dump(), 202, {**where, **spoken_in(language)})
