"""One error shape for every endpoint: problem details (RFC 9457)."""

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
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=str(error).encode(errors="backslashreplace").decode(),  # half a character of theirs
        code=error.code,
        instance=request.url.path,
        **more,
    )
    headers: dict[str, str] = {}
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
            return OutOfSpace(
                "The disk of the database is full, so nothing new is taken; what runs is not lost. "
                "Free some space, then send this again."
            )
        return Unavailable("The database does not answer; try again in a moment.")
    if isinstance(
        error, DataError
    ):  # PostgreSQL's; whatever SQLite does not take is bounded before
        log.warning("web.database.refused", error=str(error.orig))
        return Invalid(
            "The database cannot hold a value of this request: a text with a zero character, or a "
            "number that is too large. Send it again without."
        )
    if isinstance(error, BrokerError):
        log.warning("web.broker.away", error=str(error))
        return Unavailable("The broker does not answer; try again in a moment.")
    log.error("web.request.broke", path=request.url.path, exc_info=error)
    known = explained(error)
    return known if isinstance(known, OutOfSpace) else Internal()


def _unfit(request: Request, error: RequestValidationError) -> JSONResponse:
    """400 for a body that is no JSON, 422 for fields that do not fit; values are not repeated."""
    found = [
        {"where": ".".join(str(p) for p in e["loc"]), "what": e["msg"]} for e in error.errors()
    ]
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return answer(request, BadInput("The body is not JSON; see /docs for what is expected."))
    told = Invalid("; ".join(f"{e['where']}: {e['what']}" for e in found))
    return answer(request, told, errors=found)


class Framework(ActverseError):
    """An error that the web framework raised by itself: unknown path, wrong method, broken body."""

    def __init__(self, request: Request, error: HTTPException) -> None:
        told = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND:
            told = f"There is no {request.url.path} here; /docs lists what there is."
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": _allowed(request)}
            told = (
                f"{request.url.path} does not take {request.method}; it takes {headers['Allow']}."
            )
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
        super().__init__("An unexpected error; the log of the gateway has the details.")
