"""The routes of the gateway."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from pydantic import ValidationError
from sse_starlette import EventSourceResponse

from services.api_gateway import health as machine
from services.api_gateway import repository, stream, uploads
from services.api_gateway.schemas import (
    HealthView,
    NewTask,
    RetryWish,
    StatusView,
    TaskPage,
    TaskView,
    UploadView,
)
from shared.db.models import Upload
from shared.errors import Invalid, NotFound
from shared.flow import sweeper, wishes
from shared.flow.states import State
from shared.pipelines import atlas, render
from shared.pipelines.dsl import Options
from shared.platform import Platform
from shared.web.access import Caller, InCaller, InPlatform, acting_for, own_task
from shared.web.ownership import own_source, own_target
from shared.web.problems import responses
from shared.web.waiting import Accepted, accepted

router = APIRouter()


@router.post("/tasks/", status_code=202, tags=["tasks"], responses=responses(400, 409, 422))
def submit_task(
    platform: InPlatform,
    caller: InCaller,
    wish: NewTask,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Accepted:
    """Submit a video. With an `Idempotency-Key`, the same request again gives the same task."""
    pipeline = atlas.pipeline(wish.pipeline)
    given = {**wish.options, "file_path": wish.file_path}
    if given.get("upload_path"):
        given["upload_path"] = own_target(caller, str(given["upload_path"]))
    options = _options(pipeline.options, given)
    digest = hashlib.sha256(
        json.dumps(wish.model_dump(mode="json"), sort_keys=True).encode()
    ).hexdigest()
    with platform.sessions.begin() as session:
        user_id = acting_for(session, caller, wish.user_id)
        own_source(session, caller, wish.file_path)
        task = repository.known_request(session, user_id, idempotency_key, digest)
        if task is None:
            task = wishes.submit(
                session,
                platform.bus,
                pipeline,
                options,
                user_id=user_id,
                idempotency_key=idempotency_key,
                request_sha256=digest,
            )
    return accepted(task.id)


def _options(kind: type[Options], given: dict[str, Any]) -> Options:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        found = [f"options.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise Invalid("; ".join(found)) from error


@router.get("/tasks/", tags=["tasks"], responses=responses(422))
def list_tasks(
    platform: InPlatform,
    caller: InCaller,
    state: State | None = None,
    pipeline: str | None = None,
    before: Annotated[datetime | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TaskPage:
    """Your tasks, newest first."""
    with platform.reads() as session:
        tasks = repository.page(
            session,
            user_id=None if caller.is_admin else caller.user_id,
            state=state,
            pipeline=pipeline,
            before=before,
            limit=limit,
        )
        following = tasks[-1].created_at.isoformat() if len(tasks) == limit else None
        return TaskPage(items=repository.views(session, tasks), next=following)


@router.get("/tasks/{task_id}", tags=["tasks"], responses=responses(404))
def show_task(platform: InPlatform, caller: InCaller, task_id: str) -> TaskView:
    """A task with its steps and results."""
    with platform.reads() as session:
        return repository.views(session, [own_task(session, caller, task_id)])[0]


@router.post(
    "/tasks/{task_id}/cancel", status_code=202, tags=["tasks"], responses=responses(404, 409)
)
def cancel_task(platform: InPlatform, caller: InCaller, task_id: str) -> Accepted:
    """Stop a task; running work ends at its next frame, epoch or chunk."""
    with platform.sessions.begin() as session:
        task = own_task(session, caller, task_id)
        active = wishes.cancel(session, platform.bus, task)
        dispatched = [(run.name, run.token) for run in active if run.token]
    for name, token in dispatched:
        sweeper.revoke(platform, task.pipeline, name, token, terminate=False)
    return accepted(task_id)


@router.post(
    "/tasks/{task_id}/retry", status_code=202, tags=["tasks"], responses=responses(404, 409)
)
def retry_task(
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    wish: Annotated[RetryWish | None, Body()] = None,
) -> Accepted:
    """Run the failed step again, or the named one, and everything after it."""
    with platform.sessions.begin() as session:
        task = own_task(session, caller, task_id)
        wishes.retry(session, platform.bus, task, wish.step if wish else None)
    return accepted(task_id)


@router.get("/tasks/{task_id}/outputs/{name:path}", tags=["tasks"], responses=responses(404))
def fetch_output(platform: InPlatform, caller: InCaller, task_id: str, name: str) -> Response:
    """A result file; ranges are honoured, so that a browser can seek in the video."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        found = repository.output(session, task_id, name)
    if found is None:
        raise NotFound(f"Task {task_id} has no output {name!r}; GET /tasks/{task_id} lists them.")
    link = platform.storage.link(found.key)
    if link is not None:
        return RedirectResponse(link, status_code=307)
    return FileResponse(
        platform.storage.fetch(found.key),
        media_type=found.content_type,
        headers={"ETag": f'"{found.sha256}"'},
    )


@router.post("/uploads/", status_code=201, tags=["uploads"], responses=responses(400, 413, 415))
async def upload(request: Request, platform: InPlatform, caller: InCaller) -> UploadView:
    """Send a media file (multipart/form-data, field `file`); it is streamed to disk."""
    limit = platform.settings.gateway.max_upload_bytes
    folder = platform.storage.local("uploads/new").parent
    received = await uploads.receive(request, folder, limit)
    return await asyncio.to_thread(_keep_upload, platform, caller, received)


def _keep_upload(platform: Platform, caller: Caller, received: uploads.Received) -> UploadView:
    key = f"uploads/{received.id}/{received.filename}"
    platform.storage.keep(received.path, key)
    with platform.sessions.begin() as session:
        session.add(
            Upload(
                id=received.id,
                user_id=caller.user_id,
                filename=received.filename,
                key=key,
                bytes=received.bytes,
                sha256=received.sha256,
            )
        )
    return UploadView(
        file_path=f"upload://{received.id}/{received.filename}",
        filename=received.filename,
        bytes=received.bytes,
        sha256=received.sha256,
    )


@router.get("/status/{task_id}", tags=["status"], responses=responses(404))
def status(platform: InPlatform, caller: InCaller, task_id: str) -> StatusView:
    """Every step with its state, progress, times and message."""
    with platform.reads() as session:
        return repository.status(session, own_task(session, caller, task_id))


@router.get(
    "/status/{task_id}/events",
    tags=["status"],
    response_class=EventSourceResponse,
    responses=responses(404),
)
def status_events(
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    last_event_id: Annotated[int, Header(ge=0)] = 0,
) -> EventSourceResponse:
    """Server-sent events `task`, `step`, `progress`, then `end`; resumes by Last-Event-ID."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
    return EventSourceResponse(stream.task_events(platform, task_id, last_event_id), ping=15)


@router.get("/pipelines", tags=["pipelines"])
def pipelines(caller: InCaller) -> JSONResponse:
    """The map: every pipeline with its steps, events and options."""
    del caller
    return JSONResponse([render.as_json(p) for p in atlas.PIPELINES.values()])


@router.get("/health", tags=["health"], responses=responses(503))
def health(platform: InPlatform, caller: InCaller) -> HealthView:
    """CPU, memory, disk, queues (running / pending) and dependencies."""
    del caller
    return machine.health(platform)


@router.get("/health/ready", tags=["health"], responses=responses(503))
def ready(platform: InPlatform) -> Response:
    """200 when every dependency answers, else 503; needs no key, tells nothing else."""
    fine = machine.health(platform).status == "ok"
    return JSONResponse({"ready": fine}, status_code=200 if fine else 503)
