"""What became of a recording: its result, its sound, and how far the comparison is, live."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse

from services.audio_analyzer import analyses, analysis_views, progress
from services.audio_analyzer.analysis_schemas import ScriptAnalysis, TokenAnalysis
from services.audio_analyzer.audio_files import SENT, sound
from shared.admission.callers import Caller
from shared.events.speech import Subject
from shared.platform import Platform
from shared.web.access import InCaller, InLastEvent, InPlatform
from shared.web.files import SentFile
from shared.web.language import language_of, spoken_in
from shared.web.openapi import responses
from shared.web.streams import open_stream


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What all streams of the process are fed with."""
    app.state.comparison_looks = progress.looks(app.state.platform)
    yield


router = APIRouter(lifespan=lifespan)
tokens = APIRouter(prefix="/tokens", tags=["tokens"])
scripts = APIRouter(prefix="/scripts", tags=["scripts"])


@tokens.get("/analysis-result/{job_id}", response_model=TokenAnalysis, responses=responses(404))
def token_result(
    request: Request, platform: InPlatform, caller: InCaller, job_id: str
) -> JSONResponse:
    """The comparison of a recording of a quote, or how far it is."""
    return _result(request, platform, caller, "token", job_id)


@scripts.get("/analysis-result/{job_id}", response_model=ScriptAnalysis, responses=responses(404))
def script_result(
    request: Request, platform: InPlatform, caller: InCaller, job_id: str
) -> JSONResponse:
    """The comparison of a recording of a script, or how far it is."""
    return _result(request, platform, caller, "script", job_id)


@tokens.get("/analysis-result/{job_id}/recording", response_class=SentFile, responses=SENT)
def token_recording(
    request: Request, platform: InPlatform, caller: InCaller, job_id: str
) -> Response:
    """What was said; ranges are honoured, so that a player can begin at a word."""
    return _recording(request, platform, caller, "token", job_id)


@scripts.get("/analysis-result/{job_id}/recording", response_class=SentFile, responses=SENT)
def script_recording(
    request: Request, platform: InPlatform, caller: InCaller, job_id: str
) -> Response:
    """What was said; ranges are honoured, so that a player can begin at a word."""
    return _recording(request, platform, caller, "script", job_id)


def followed(kind: APIRouter, subject: Subject) -> None:
    """The stream of comparisons of quotes, or of scripts, as a route of `kind`."""

    @kind.get(
        "/analysis-progress/{job_id}",
        name=f"{subject}_progress",
        response_class=EventSourceResponse,
        responses={**responses(404), 200: progress.ANSWER},
    )
    def stream(
        request: Request,
        platform: InPlatform,
        caller: InCaller,
        job_id: str,
        last_event_id: InLastEvent = 0,
    ) -> EventSourceResponse:
        """Server-sent events `progress`: 40, 70, 90, 100 with the result; resumes by Last-Event-ID."""
        with platform.reads() as session:
            analyses.own_analysis(session, caller, subject, job_id)
        look = request.app.state.comparison_looks[language_of(request)]
        return open_stream(request, caller, look, job_id, last_event_id)


def _result(
    request: Request, platform: Platform, caller: Caller, subject: Subject, job_id: str
) -> JSONResponse:
    language = language_of(request)
    with platform.reads() as session:
        found = analyses.own_analysis(session, caller, subject, job_id)
        told = analysis_views.view(session, found, language)
    return JSONResponse(told.model_dump(mode="json"), headers=spoken_in(language))


def _recording(
    request: Request, platform: Platform, caller: Caller, subject: Subject, job_id: str
) -> Response:
    with platform.reads() as session:
        row = analyses.own_analysis(session, caller, subject, job_id).row
        key, sha256 = row.recording_key, row.recording_sha256
    return sound(platform, request, key, sha256)


followed(tokens, "token")
followed(scripts, "script")
router.include_router(tokens)
router.include_router(scripts)
