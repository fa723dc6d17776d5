"""One error shape for every endpoint: problem details (RFC 9457), in the language of the caller.

The title always is; `detail` is where the error was raised with a `Sentence` of the table, else it stays
English and `Content-Language` names both. Programs test `code`, which is the same in every language.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from kombu.exceptions import OperationalError as BrokerError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from shared.errors import (
    ActverseError,
    BadInput,
    Invalid,
    OutOfSpace,
    Retryable,
    Unavailable,
    explained,
)
from shared.fields import Unfit
from shared.messages import DEFAULT, MESSAGES, Sentence, say, spoken
from shared.web.language import language_of, spoken_in

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
LATER = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})
NO_ROOM = ("disk is full", "No space left on device")  # SQLite's words, and PostgreSQL's
log = structlog.get_logger()


class Problem(BaseModel):
    """What went wrong, for programs (`code`) and for people (`detail`)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="A URI of the kind of problem")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no task 7f0c; GET /tasks/ lists yours."])
    code: str = Field(examples=["NotFound"])
    instance: str = Field(examples=["/status/7f0c"], description="The path that was asked for")
    errors: list[dict[str, Any]] | None = Field(
        default=None,
        examples=[[{"where": "body.num_frames", "what": "Input should be a valid integer"}]],
        description="Every field that does not fit, where the request as a whole was readable",
    )


def answer(request: Request, error: ActverseError, **more: Any) -> JSONResponse:
    """`error` as a response; `more` are further members of the problem."""
    status = int(error.status)
    language = language_of(request)
    detail = error.told(language)
    if isinstance(error, Unfit):
        more["errors"] = [
            {"where": each.where, "what": spoken(each.what, language)} for each in error.found
        ]
    problem = Problem(
        title=title(status, language),
        status=status,
        detail=detail.encode(errors="backslashreplace").decode(),  # half a character of theirs
        code=error.code,
        instance=request.url.path,
        **more,
    )
    whole = language == DEFAULT or detail != str(error)
    headers = dict(spoken_in(language) if whole else spoken_in(language, DEFAULT))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="actverse"'
    if status in LATER:
        hint = error.retry_after_s if isinstance(error, Retryable) else None
        headers["Retry-After"] = str(max(1, math.ceil(hint or RETRY_AFTER_S)))
    if isinstance(error, Framework):
        headers.update(error.headers)
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def title(status: int, language: str = DEFAULT) -> str:
    """The name of an HTTP status for people; the standard's own where the table has no other."""
    key = f"title.{status}"
    return say(key, language) if key in MESSAGES else HTTPStatus(status).phrase


def install(app: FastAPI) -> None:
    """Turn every exception of `app` into a problem."""

    @app.exception_handler(ActverseError)
    def ours(request: Request, error: ActverseError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _unfit(request, error)

    @app.exception_handler(HTTPException)
    def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        return answer(request, Framework(request, error))

    @app.exception_handler(ClientDisconnect)
    def gone(request: Request, error: ClientDisconnect) -> Response:
        del error
        log.info("web.client.gone", path=request.url.path)
        return Response(status_code=499)  # nobody reads it

    @app.exception_handler(DataError)
    @app.exception_handler(OperationalError)
    @app.exception_handler(BrokerError)
    def servers(request: Request, error: Exception) -> JSONResponse:
        return answer(request, told(request, error))

    @app.exception_handler(Exception)
    def others(request: Request, error: Exception) -> JSONResponse:
        # the framework raises it again, and the server then drops the connection: say so, or the
        # caller's next request meets a closed one
        response = answer(request, told(request, error))
        response.headers["Connection"] = "close"
        return response


def told(request: Request, error: Exception) -> ActverseError:
    """What the caller may hear of `error`; the log gets the rest."""
    if isinstance(error, ActverseError):
        return error
    if isinstance(error, OperationalError):
        log.warning("web.database.away", error=str(error.orig))
        if any(words in str(error.orig) for words in NO_ROOM):
            return OutOfSpace(Sentence("error.database_full"))
        return Unavailable(Sentence("error.database_away"))
    if isinstance(
        error, DataError
    ):  # PostgreSQL's; whatever SQLite does not take is bounded before
        log.warning("web.database.refused", error=str(error.orig))
        return Invalid(Sentence("error.database_refused"))
    if isinstance(error, BrokerError):
        log.warning("web.broker.away", error=str(error))
        return Unavailable(Sentence("error.broker_away"))
    log.error("web.request.broke", path=request.url.path, exc_info=error)
    known = explained(error)
    return known if isinstance(known, OutOfSpace) else Internal()


def _unfit(request: Request, error: RequestValidationError) -> JSONResponse:
    """400 for a body that is no JSON, 422 for fields that do not fit; values are not repeated."""
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return answer(request, BadInput(Sentence("error.not_json")))
    return answer(request, Unfit(found))


class Framework(ActverseError):
    """An error that the web framework raised by itself: unknown path, wrong method, broken body."""

    def __init__(self, request: Request, error: HTTPException) -> None:
        told: str = error.detail
        if error.status_code == HTTPStatus.NOT_FOUND:
            told = Sentence("error.no_path", path=request.url.path)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": _allowed(request)}
            given = {"path": request.url.path, "method": request.method}
            told = Sentence("error.wrong_method", **given, allowed=headers["Allow"])
        super().__init__(told)
        self.status = error.status_code  # type: ignore[misc]
        self.headers: Mapping[str, str] = headers

    @property
    def code(self) -> str:
        """`NotFound`, `MethodNotAllowed` ..."""
        return HTTPStatus(self.status).phrase.title().replace(" ", "")


def _allowed(request: Request) -> str:
    """Every method of the path; the framework tells those of the first route only."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path and compile_path(route.path)[0].match(request.url.path):
            found |= route.methods or set()
    return ", ".join(sorted(found))


class Internal(ActverseError):
    """Something that should not happen; the log has the details, the answer has none."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.unexpected"))
