"""The FastAPI app of a process, from the routers of the services it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from shared.platform import Platform
from shared.web import problems

ABOUT = """\
Video in, a detector of your own and its results out. Submit a task, watch it live, fetch the
results. Every request needs an API key: `Authorization: Bearer <key>`.

Long work answers `202` with a `task_id`; `Prefer: wait=N` on the step endpoints waits up to N
seconds for the result. Errors are problem details (RFC 9457).
"""


def create_app(platform: Platform, services: Sequence[str]) -> FastAPI:
    """An app with the routes of `services`; each has a `router` in its `api.py`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.platform = platform
        yield
        platform.engine.dispose()

    app = FastAPI(title="Actverse", version="0.1.0", description=ABOUT, lifespan=lifespan)
    app.state.platform = platform
    problems.install(app)
    if platform.settings.gateway.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=platform.settings.gateway.allowed_origins,
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
        )
    for service in services:
        app.include_router(import_module(f"services.{service}.api").router)
    return app
