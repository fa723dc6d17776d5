"""What routes ask for: the platform, who is calling, and how much waits."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
)

from shared.admission.callers import Caller
from shared.admission.pressure import Pressure
from shared.errors import Forbidden, Unauthorised
from shared.messages import Sentence
from shared.platform import Platform

_bearer = HTTPBearer(auto_error=False, description="An API key of Actverse")
_login = OAuth2PasswordBearer(
    tokenUrl="auth/login",
    refreshUrl="auth/refresh",
    auto_error=False,
    description="The access token of a login",
)
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of Actverse")


async def platform_of(request: Request) -> Platform:  # async: else a thread is asked each time
    """The platform that the app was made with."""
    platform: Platform = request.app.state.platform
    return platform


InPlatform = Annotated[Platform, Depends(platform_of)]
InLastEvent = Annotated[int, Header(ge=0, le=2**63 - 1, alias="last-event-id")]
"""Number of the last event that a reader of a stream has; no larger than databases count."""


def key_of(request: Request) -> str | None:
    """The key or token of a request: `Authorization: Bearer <key>`, or `X-API-Key: <key>`."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip()
    return request.headers.get("x-api-key")


async def caller_of(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
    login: Annotated[str | None, Depends(_login)],
) -> Caller:
    """Whom the gate has let in; the parameters only put the schemes into the documentation."""
    del bearer, header, login
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        raise Unauthorised("Nobody was asked for an API key on the way here.")
    return caller


InCaller = Annotated[Caller, Depends(caller_of)]


async def admin_of(caller: InCaller) -> Caller:
    """The caller, if it is an admin."""
    if not caller.is_admin:
        raise Forbidden(Sentence("error.for_admins", caller=caller.name))
    return caller


InAdmin = Annotated[Caller, Depends(admin_of)]


async def pressure_of(request: Request) -> Pressure:
    """That of the app."""
    pressure: Pressure = request.app.state.pressure
    return pressure


InPressure = Annotated[Pressure, Depends(pressure_of)]
