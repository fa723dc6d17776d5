"""Deleting a task with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from services.api_gateway.deletion_schemas import Deletion, GoingModel
from shared.admission.callers import own_task
from shared.db.models import Labeling, Task
from shared.flow import deletion
from shared.flow.states import State
from shared.messages import Sentence, spoken
from shared.redaction import without_secrets
from shared.web.access import InCaller, InPlatform
from shared.web.language import language_of, spoken_in
from shared.web.openapi import responses

OWN_TOOLS = frozenset({"builtin", "folder", "auto"})  # whose labelings lie with the task
router = APIRouter()


@router.delete(
    "/tasks/{task_id}",
    status_code=202,
    tags=["tasks"],
    responses={
        **responses(404, 409),
        200: {"model": Deletion, "description": "What would go (`dry_run`)"},
    },
)
def delete_task(
    platform: InPlatform,
    caller: InCaller,
    request: Request,
    response: Response,
    task_id: str,
    *,
    dry_run: Annotated[bool, Query(description="Only say what would go")] = False,
    model: Annotated[bool, Query(description="Also a model that is deployed")] = False,
) -> Deletion:
    """Delete a task that has ended, with its files, its rows and its model.

    It is marked at once and gone soon after: `GET /tasks/{task_id}` says DELETING, then 404. Again
    while it goes is harmless. A task that others need is refused, and they are named.
    """
    language = language_of(request)
    response.headers.update(spoken_in(language))
    with platform.reads() as session:
        task = own_task(session, caller, task_id, deleting=True)
        found = deletion.survey(session, platform.storage, task, model=model)
        stays = [spoken(sentence, language) for sentence in _staying(session, task)]
    if dry_run:
        response.status_code = 200
    else:
        with platform.sessions.begin() as session:
            task = own_task(session, caller, task_id, deleting=True)
            deletion.begin(session, task, model=model)
    return Deletion(
        task_id=task_id,
        dry_run=dry_run,
        state=State(task.state),
        files=found.extent.files,
        bytes=found.extent.bytes,
        rows=found.rows,
        models=[
            GoingModel(name=each.name, version=each.version, served=each.served)
            for each in found.versions
        ],
        stays=stays,
        refused=found.refused.told(language) if dry_run and found.refused else None,
    )


def _staying(session: Session, task: Task) -> Iterator[str]:
    source = str(task.options.get("file_path") or "")
    if source.startswith("upload://"):
        yield Sentence("deletion.keeps_upload", source=source)
    if task.options.get("upload_path"):
        path = str(task.options["upload_path"]).removeprefix(f"files/{task.user_id}/")
        yield Sentence("deletion.keeps_copies", user_id=task.user_id, path=path)
    labeling = session.get(Labeling, task.id)
    if labeling is not None and labeling.engine not in OWN_TOOLS:
        where = without_secrets(labeling.ref)
        yield Sentence("deletion.keeps_labeling", tool=labeling.engine, where=where)
