"""Deployment alone: serve a registered model."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from services.model_deployer import repository
from services.model_deployer.schemas import DeploymentWish
from shared.errors import NotFound
from shared.pipelines.vision import DeploymentOptions
from shared.storage.paths import checked_prefix
from shared.web.access import own_task
from shared.web.problems import responses
from shared.web.waiting import InRunner

router = APIRouter(prefix="/deployments", tags=["deployments"])


@router.post("", status_code=202, responses=responses(400, 404, 500))
async def request_deployment(runner: InRunner, wish: DeploymentWish) -> Response:
    """Convert and serve a registered model; answers 202 with `deployment_id`, the task to follow."""
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
    answer = await runner.run(
        "deployment", options, user_id=wish.user_id, result=("deployment_id", "model", "version")
    )
    told = json.loads(answer.body)
    told.setdefault("deployment_id", told["task_id"])
    headers = {k: v for k, v in answer.headers.items() if k == "location"}
    return Response(json.dumps(told), answer.status_code, headers, media_type="application/json")
