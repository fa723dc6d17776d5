"""Training alone: from labels to a registered model."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.model_trainer import datasets_api, repository, rounds_api
from services.model_trainer.schemas import TrainingDone, TrainingView, TrainingWish
from shared.admission.callers import own_task
from shared.admission.ownership import own_key, own_weights
from shared.errors import BadInput, NotFound
from shared.flow import ledger
from shared.pipelines.vision_steps import TrainingOptions
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses
from shared.web.waiting import InRunner, waiting

router = APIRouter()
router.include_router(rounds_api.router)
router.include_router(datasets_api.router)
training_router = APIRouter(prefix="/training", tags=["training"])
STEP = "model_training"


@training_router.post("", status_code=202, responses=waiting(TrainingDone, 400, 403, 404))
async def request_training(runner: InRunner, wish: TrainingWish) -> Response:
    """Train a detector from stored labels; answers 202 with the task to follow."""
    frames = wish.frame_path or wish.data_path.replace("labels/", "frames/", 1)
    with runner.platform.reads() as session:
        for key in (wish.data_path, frames):
            own_key(session, runner.caller, key)
        settings = wish.mode_train_info.settings()
        own_weights(session, runner.caller, settings.weights)
    for needed in (f"{wish.data_path}/labels.json", f"{frames}/frames.json"):
        if not runner.platform.storage.exists(needed):
            raise BadInput(f"There is no {needed}; label frames first, see POST /labeling.")
    options = TrainingOptions(labeling_path=wish.data_path, frame_path=frames, training=settings)
    return await runner.run("training", options, done=TrainingDone, user_id=wish.user_id)


@training_router.get("/{task_id}", responses=responses(404))
def training(platform: InPlatform, caller: InCaller, task_id: str) -> TrainingView:
    """The current epoch and its figures."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        run = next((r for r in ledger.latest_runs(session, task_id) if r.name == STEP), None)
        if run is None:
            raise NotFound(f"Task {task_id} trains nothing.")
        epochs = repository.epochs_of(session, task_id)
        model = repository.model_of(session, task_id)
    newest = epochs[-1] if epochs else None
    return TrainingView(
        task_id=task_id,
        state=run.state,
        current_epoch=newest.epoch if newest else 0,
        epochs=newest.epochs if newest else 0,
        metrics=model.metrics if model else newest.figures if newest else {},
        history=[epoch.figures for epoch in epochs],
    )


router.include_router(training_router)
