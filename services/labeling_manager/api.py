"""Labeling alone: send frames to a tool, ask how far it is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.labeling_manager import (
    cvat_webhook_api,
    imports_api,
    labeler_api,
    repository,
    webhook_api,
)
from services.labeling_manager.schemas import LabelingView, LabelingWish
from shared.admission.callers import own_task
from shared.admission.labelers import connected_labeler
from shared.admission.ownership import own_key
from shared.errors import NotFound
from shared.pipelines.vision_steps import LabelingOptions
from shared.web.access import InCaller, InPlatform
from shared.web.answers import Done
from shared.web.openapi import responses
from shared.web.waiting import InRunner, waiting

router = APIRouter()
router.include_router(imports_api.router)
labeling_router = APIRouter(prefix="/labeling", tags=["labeling"])
labeling_router.include_router(labeler_api.router)
labeling_router.include_router(webhook_api.router)
labeling_router.include_router(cvat_webhook_api.router)


@labeling_router.post("", status_code=202, responses=waiting(Done, 400, 403, 404))
async def request_labeling(runner: InRunner, wish: LabelingWish) -> Response:
    """Have the frames of a folder labelled; answers 202 with the task to follow."""
    with runner.platform.reads() as session:
        key = own_key(session, runner.caller, wish.folder_path)
        if wish.task_id is not None:
            own_task(session, runner.caller, wish.task_id)
    if not runner.platform.storage.exists(f"{key}/frames.json"):
        raise NotFound(f"{key} has no frames.json; take frames with POST /video/extract-frames.")
    labeler = connected_labeler(runner.platform.settings.labeling, wish.labeler)
    options = LabelingOptions(frame_path=key, labeler=labeler, classes=wish.classes)
    return await runner.run("labeling", options, done=Done, user_id=wish.user_id)


@labeling_router.get("/{task_id}", responses=responses(404))
def labeling(platform: InPlatform, caller: InCaller, task_id: str) -> LabelingView:
    """How many frames are labelled, skipped, and how fast."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        row = repository.labeling_of(session, task_id)
    return LabelingView(
        task_id=task_id,
        labeler=row.engine,
        state=row.state,
        total=row.total,
        done=row.done,
        skipped=row.skipped,
        rate=round(row.rate, 3),
        problems=row.problems,
    )


router.include_router(labeling_router)
