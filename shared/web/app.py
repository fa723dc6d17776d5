"""The FastAPI app of a process, from the routers of the services it serves."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from shared.admission.pressure import Pressure
from shared.platform import Platform
from shared.web import openapi, problems
from shared.web.gate import Gate
from shared.web.observed import Observed
from shared.web.pulse import Pulse
from shared.web.streams import Places, ended

ABOUT = """\
Video in, a detector of your own and its results out. Submit a task, watch it live, fetch the
results. Every request needs an API key, or the access token of a login (`POST /auth/login`):
`Authorization: Bearer <key or token>`.

Only logging in, `/health/ready` and this documentation need none.

Long work answers `202` with a `task_id`; `Prefer: wait=N` on the step endpoints waits up to N
seconds for the result. Errors are problem details (RFC 9457), in English or, with
`Accept-Language: ko`, in Korean.
"""


def create_app(platform: Platform, services: Sequence[str]) -> FastAPI:
    """An app with the routes of `services`; each has a `router` in its `api.py`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.platform = platform
        yield
        platform.engine.dispose()

    app = FastAPI(
        title="Actverse", version=version(), description=ABOUT, lifespan=lifespan, redoc_url=None
    )
    app.state.platform = platform
    app.state.pressure = Pressure(platform)
    app.state.pulse = Pulse(platform.news.since, partial(ended, platform))
    app.state.places = Places(platform.settings.gateway.streams_per_user)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Gate, platform=platform)
    if platform.settings.gateway.allowed_origins:
        app.add_middleware(  # outside the gate: a browser's preflight has no key
            CORSMiddleware,
            allow_origins=platform.settings.gateway.allowed_origins,
            allow_credentials=True,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=[
                "Location",
                "Preference-Applied",
                "Retry-After",
                "ETag",
                "Content-Range",
            ],
        )
    app.add_middleware(Observed)
    for service in services:
        app.include_router(import_module(f"services.{service}.api").router)
    return app


def version() -> str:
    """The version of the code, as pyproject.toml says it."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])
