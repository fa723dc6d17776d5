"""The routes of the gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, FastAPI, Header, Query, Request, Response
from fastapi.responses import RedirectResponse
from sse_starlette import EventSourceResponse

from services.api_gateway import (
    auth_api,
    console_api,
    deletion_api,
    frames_api,
    live,
    mypage_api,
    repository,
    stream,
    submission,
    uploads_api,
)
from services.api_gateway import health as machine
from services.api_gateway.accounts import Accounts
from services.api_gateway.errors import Degraded, NotReady
from services.api_gateway.schemas import (
    HealthView,
    NewTask,
    PipelineView,
    Readiness,
    RetryWish,
    StatusView,
    TaskPage,
    TaskView,
)
from shared.admission.callers import no_task, own_task
from shared.db.direct import reading
from shared.errors import NotFound
from shared.flow import sweeper, wishes
from shared.flow.states import State
from shared.messages import Sentence
from shared.pipelines import atlas, render
from shared.platform import Platform
from shared.web import metrics, uploads
from shared.web.access import InCaller, InLastEvent, InPlatform, InPressure
from shared.web.files import SentFile
from shared.web.language import InLanguage, language_of, spoken_in
from shared.web.openapi import responses
from shared.web.paging import Cursor
from shared.web.problems import answer
from shared.web.streams import open_stream
from shared.web.waiting import accepted, accepting, located

THREADS = 4
"""That submit tasks, and that look at them: more only take the interpreter from each other."""


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Clear what a gateway that was killed left of half uploads; prime the load measurement."""
    folder = app.state.platform.storage.local("uploads/new").parent
    await asyncio.to_thread(uploads.forget_broken, folder)
    machine.prime()
    app.state.accounts = Accounts(app.state.platform)
    app.state.submitting, app.state.looking = CapacityLimiter(THREADS), CapacityLimiter(THREADS)
    app.state.looks = stream.looks(app.state.platform)
    yield


router = APIRouter(lifespan=lifespan)
router.include_router(uploads_api.router)
router.include_router(metrics.router)
router.include_router(console_api.router)
router.include_router(frames_api.router)
router.include_router(deletion_api.router)
router.include_router(auth_api.router)
router.include_router(mypage_api.router)


@router.post("/tasks/", status_code=202, tags=["tasks"], responses=accepting(400, 403, 404))
async def submit_task(
    request: Request,
    platform: InPlatform,
    caller: InCaller,
    pressure: InPressure,
    wish: NewTask,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, examples=["openfield-2026-03-01"])
    ] = None,
) -> Response:
    """Submit a video. With an `Idempotency-Key`, the same request again gives the same task."""
    given = (platform, caller, pressure, wish, idempotency_key)
    task_id = await run_sync(submission.submit, *given, limiter=request.app.state.submitting)
    return located(accepted(task_id))


@router.get("/tasks/", tags=["tasks"])
def list_tasks(
    response: Response,
    platform: InPlatform,
    caller: InCaller,
    language: InLanguage,
    state: State | None = None,
    pipeline: str | None = None,
    user_id: Annotated[str | None, Query(description="For admins; others see their own")] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TaskPage:
    """Your tasks, newest first."""
    response.headers.update(spoken_in(language))
    with platform.reads() as session:
        tasks = repository.page(
            session,
            user_id=user_id if caller.is_admin else caller.user_id,
            state=state,
            pipeline=pipeline,
            after=Cursor.parse(cursor) if cursor else None,
            limit=limit,
        )
        last = tasks[-1] if len(tasks) == limit else None
        following = str(Cursor.after(last.created_at, last.id)) if last else None
        return TaskPage(items=repository.views(session, tasks, language), next=following)


@router.get("/tasks/{task_id}", tags=["tasks"], responses=responses(404))
def show_task(
    response: Response, platform: InPlatform, caller: InCaller, language: InLanguage, task_id: str
) -> TaskView:
    """A task with its steps and results; why it failed in the language of Accept-Language."""
    response.headers.update(spoken_in(language))
    with platform.reads() as session:
        task = own_task(session, caller, task_id, deleting=True)
        return repository.views(session, [task], language)[0]


@router.post(
    "/tasks/{task_id}/cancel", status_code=202, tags=["tasks"], responses=accepting(404, 409)
)
def cancel_task(platform: InPlatform, caller: InCaller, task_id: str) -> Response:
    """Stop a task; running work ends at its next frame, epoch or chunk."""
    with platform.sessions.begin() as session:
        task = own_task(session, caller, task_id)
        active = wishes.cancel(session, platform.bus, task)
        dispatched = [(run.name, run.token) for run in active if run.token]
    for name, token in dispatched:
        with contextlib.suppress(Exception):  # this only hastens what the database has decided
            sweeper.revoke(platform, task.pipeline, name, token, terminate=False)
    return located(accepted(task_id))


@router.post(
    "/tasks/{task_id}/retry", status_code=202, tags=["tasks"], responses=accepting(404, 409)
)
def retry_task(
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    wish: Annotated[RetryWish | None, Body()] = None,
) -> Response:
    """Run the failed step again, or the named one, and everything after it."""
    with platform.sessions.begin() as session:
        task = own_task(session, caller, task_id)
        wishes.retry(session, platform.bus, task, wish.step if wish else None)
    return located(accepted(task_id))


@router.head("/tasks/{task_id}/outputs/{name:path}", include_in_schema=False)
@router.get(
    "/tasks/{task_id}/outputs/{name:path}",
    tags=["tasks"],
    response_class=SentFile,
    responses={
        **responses(400, 404, 416),
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        206: {"description": "The asked range of the file"},
        307: {"description": "Where the storage itself serves it"},
    },
)
def fetch_output(platform: InPlatform, caller: InCaller, task_id: str, name: str) -> Response:
    """A result file; ranges are honoured, so that a browser can seek in the video."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        found = repository.output(session, task_id, name)
    if found is None:
        raise NotFound(Sentence("error.no_output", task_id=task_id, name=name))
    link = platform.storage.link(found.key)
    if link is not None:
        return RedirectResponse(link, status_code=307)
    return SentFile(
        platform.storage.fetch(found.key),
        media_type=found.content_type,
        headers={"ETag": f'"{found.sha256}"'},
    )


@router.get(
    "/status/{task_id}", tags=["status"], response_model=StatusView, responses=responses(404)
)
async def status(
    request: Request, platform: InPlatform, caller: InCaller, task_id: str
) -> Response:
    """Every step with its state, progress, times and message."""
    language = language_of(request)
    found = await run_sync(_status, platform, task_id, language, limiter=request.app.state.looking)
    if found is None or not caller.may_see(found[0]):
        raise no_task(task_id)
    view = live.fresher(found[1], platform.live.of([task_id]).get(task_id, {}))
    headers = dict(spoken_in(language))
    return Response(view.model_dump_json(), headers=headers, media_type="application/json")


def _status(platform: Platform, task_id: str, language: str) -> tuple[str, StatusView] | None:
    with reading(platform.engine) as direct:
        return repository.status(direct, task_id, language)


@router.get(
    "/status/{task_id}/events",
    tags=["status"],
    response_class=EventSourceResponse,
    responses={**responses(404), 200: stream.ANSWER},
)
def status_events(
    request: Request,
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    last_event_id: InLastEvent = 0,
) -> EventSourceResponse:
    """Server-sent events `task`, `step`, `progress`, then `end`; resumes by Last-Event-ID."""
    with platform.reads() as session:
        own_task(session, caller, task_id, deleting=True)
    look = request.app.state.looks[language_of(request)]
    return open_stream(request, caller, look, task_id, last_event_id)


@router.get("/pipelines", tags=["pipelines"])
def pipelines(caller: InCaller) -> list[PipelineView]:
    """The map: every pipeline with its steps, events and options."""
    del caller
    return [PipelineView.model_validate(render.as_json(p)) for p in atlas.PIPELINES.values()]


@router.get("/health", tags=["health"], response_model=HealthView)
def health(platform: InPlatform, caller: InCaller, request: Request) -> Any:
    """CPU, memory, disk, queues (running / pending) and dependencies; 503 when one is away."""
    del caller
    found = machine.health(platform)
    if found.status == "ok":
        return found
    return answer(request, Degraded(found.dependencies), health=found.model_dump())


@router.get("/health/ready", tags=["health"])
def ready(platform: InPlatform) -> Readiness:
    """Whether this gateway can serve, else 503; needs no key, tells nothing else.

    It cannot without the database. What else is away holds up work, not requests: `GET /health`.
    """
    if not machine.can_serve(platform):
        raise NotReady
    return Readiness(ready=True)
