"""Deployment alone: serve a registered model."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.model_deployer import models_api, repository
from services.model_deployer.schemas import DeploymentAccepted, DeploymentDone, DeploymentWish
from shared.admission.callers import own_task
from shared.errors import Forbidden, NotFound
from shared.pipelines.vision_steps import DeploymentOptions, WithdrawalOptions
from shared.storage.paths import checked_prefix
from shared.web.waiting import InRunner, accepted, waiting

router = APIRouter()
router.include_router(models_api.router)


@router.post(
    "/deployments",
    status_code=202,
    tags=["deployments"],
    responses=waiting(DeploymentDone, 400, 403, 404, told=DeploymentAccepted),
)
async def request_deployment(runner: InRunner, wish: DeploymentWish) -> Response:
    """Convert and serve a registered model; gives `deployment_id`."""
    path = checked_prefix(wish.model_path)
    with runner.platform.reads() as session:
        own_task(session, runner.caller, wish.task_id)
        model = repository.registered(session, path)
        if model.task_id != wish.task_id:
            raise NotFound(f"Task {wish.task_id} has made no model at {path}.")
    frames = f"frames/{wish.task_id}"
    known = runner.platform.storage.exists(f"{frames}/frames.json")
    options = DeploymentOptions(
        model_path=model.path,
        model=model.name,
        version=model.version,
        frame_path=frames if known else None,
    )

    def told(task_id: str) -> DeploymentAccepted:
        deployment_id = repository.deployment_id(task_id, model.version)
        return DeploymentAccepted(**accepted(task_id).model_dump(), deployment_id=deployment_id)

    return await runner.run(
        "deployment", options, done=DeploymentDone, user_id=wish.user_id, told=told
    )


@router.delete(
    "/deployments/{deployment_id}",
    status_code=202,
    responses=waiting(None, 403, 404),
    tags=["deployments"],
)
async def withdraw_deployment(runner: InRunner, deployment_id: str) -> Response:
    """Take the model of a deployment off the server; its files stay, and it can be deployed again."""
    with runner.platform.reads() as session:
        found = repository.deployment(session, deployment_id)
        if found.task_id is None:
            raise Forbidden(f"The model {found.model} belongs to the mesh itself.")
        own_task(session, runner.caller, found.task_id)
    options = WithdrawalOptions(deployment_id=found.id, model=found.model)
    return await runner.run("withdrawal", options, done=None)
