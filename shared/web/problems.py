"""One error shape for every endpoint: problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from shared.errors import ActverseError, Retryable, Unavailable, explained

log = structlog.get_logger()


class Problem(BaseModel):
    """What went wrong, for programs (`code`) and for people (`detail`)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no task 7f0c; see GET /tasks/ for yours."])
    code: str = Field(examples=["NotFound"])
    instance: str = Field(examples=["/status/7f0c"])
    errors: list[dict[str, Any]] = Field(default_factory=list)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its OpenAPI entry."""
    return {
        s: {
            "description": HTTPStatus(s).phrase,
            "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
        }
        for s in (401, *statuses)
    }


def answer(request: Request, error: ActverseError, **more: Any) -> JSONResponse:
    """`error` as a response."""
    problem = Problem(
        title=HTTPStatus(error.status).phrase,
        status=int(error.status),
        detail=str(error),
        code=error.code,
        instance=request.url.path,
        **more,
    )
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(round(error.retry_after_s or 5))
    return JSONResponse(
        problem.model_dump(),
        status_code=int(error.status),
        media_type="application/problem+json",
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Turn every exception of `app` into a problem."""

    @app.exception_handler(ActverseError)
    def ours(request: Request, error: ActverseError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            {"where": ".".join(str(p) for p in e["loc"]), "what": e["msg"]} for e in error.errors()
        ]
        told = Unprocessable("; ".join(f"{e['where']}: {e['what']}" for e in found))
        return answer(request, told, errors=found)

    @app.exception_handler(HTTPException)
    def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        told = Framework(str(error.detail), error.status_code)
        return answer(request, told)

    @app.exception_handler(OperationalError)
    def database_away(request: Request, error: OperationalError) -> JSONResponse:
        log.warning("web.database.away", error=str(error.orig))
        return answer(request, Unavailable("The database does not answer; try again in a moment."))

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("web.request.broke", path=request.url.path, exc_info=error)
        told = explained(error)
        hidden = told if type(told).__name__ == "OutOfSpace" else _Internal()
        return answer(request, hidden)


class Unprocessable(ActverseError):
    """The request does not fit the schema."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Framework(ActverseError):
    """An error that the web framework raised by itself (unknown path, wrong method)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc]


class _Internal(ActverseError):
    """Something that should not happen; the log has the details, the answer has none."""

    def __init__(self) -> None:
        super().__init__("An unexpected error; the log of the gateway has the details.")

    @property
    def code(self) -> str:
        return "Internal"
