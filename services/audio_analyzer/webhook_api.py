"""What an analysis server calls when it is done: signed, bounded, harmless when it comes again."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from services.audio_analyzer import answers
from services.audio_analyzer.answers import read_told
from services.audio_analyzer.remote import webhook_secret
from services.audio_analyzer.remote_errors import NoLinkSecret
from services.audio_analyzer.remote_schemas import Told
from shared.errors import Unauthorised
from shared.events.speech import Subject
from shared.messages import Sentence
from shared.net.signed_calls import ID, SIGNATURE, TIMESTAMP, check_call
from shared.platform import Platform
from shared.web.access import InPlatform
from shared.web.openapi import read_body, responses

router = APIRouter()
JobId = Annotated[str, Query(min_length=1, max_length=64, description="Of the upload")]


def _signed_by(name: str, example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "example": example}


SIGNED = {
    **read_body(Told, {"status": "failed", "message": "The recording is silent."}),
    "parameters": [
        _signed_by(ID, "73732cad-5149-44d4-a954-e9c4781635c3"),
        _signed_by(TIMESTAMP, "1767225600"),
        _signed_by(SIGNATURE, "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
    ],
    "security": [],
}
"""The body is read as it was signed, so that it is declared here."""
ANSWERS = {
    **responses(400, 401, 404, 413, 422, 503),
    204: {"description": "Taken, or not needed any more"},
}


def _route(subject: Subject) -> None:
    async def analysis_complete(request: Request, platform: InPlatform, job_id: JobId) -> Response:
        """Take the result of an analysis server (Standard Webhooks signature, 5 minutes' window).

        A call that comes late or again changes nothing.
        """
        body = await request.body()
        await run_sync(_taken, platform, subject, job_id, dict(request.headers), body)
        return Response(status_code=204)

    router.add_api_route(
        f"/{subject}s/webhook/analysis-complete",
        analysis_complete,
        methods=["POST"],
        status_code=204,
        tags=["analysis"],
        name=f"{subject}_analysis_complete",
        responses=ANSWERS,
        openapi_extra=SIGNED,
    )


_route("token")
_route("script")


def _taken(
    platform: Platform, subject: Subject, job_id: str, headers: dict[str, str], body: bytes
) -> None:
    try:
        secret = webhook_secret(platform.settings, job_id)
    except NoLinkSecret as error:  # then this mesh has asked nobody
        raise Unauthorised(Sentence("error.call_forged")) from error
    check_call(secret, headers, body)
    answers.take(platform, subject, job_id, read_told(body))
