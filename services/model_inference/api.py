"""What is served, and analysis with it alone."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.model_inference import repository
from services.model_inference.schemas import InferenceDone, InferenceWish, ServedVersion
from shared.admission.callers import own_task
from shared.admission.ownership import own_source
from shared.errors import BadInput, Unavailable
from shared.pipelines.vision_steps import InferenceOptions
from shared.web.access import InCaller, InPlatform
from shared.web.waiting import InRunner, waiting

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
def models(platform: InPlatform, caller: InCaller) -> list[ServedVersion]:
    """Every version on the model server that is yours or everybody's, with its state."""
    try:
        served = platform.model_server().models()
    except Unavailable as error:
        told = f"The model server is away: {error} Try again in a moment."
        raise Unavailable(told, retry_after_s=2) from error
    with platform.reads() as session:
        known = repository.registered(session)
    shown = []
    for one in served:
        model = known.get((one.name, one.version))
        if model is None and one.name != "global" and not caller.is_admin:
            continue
        if model is not None and not (caller.is_admin or model.user_id == caller.user_id):
            continue
        shown.append(
            ServedVersion(
                name=one.name,
                version=one.version,
                state=one.state,
                reason=one.reason,
                server=one.server,
                task_id=model.task_id if model else None,
                classes=model.classes if model else [],
                metrics=model.metrics if model else {},
            )
        )
    return shown


@router.post("/{task_id}/inference", status_code=202, responses=waiting(InferenceDone, 400, 404))
async def infer(runner: InRunner, task_id: str, wish: InferenceWish) -> Response:
    """Analyse another video with the current model of a task; gives `inference_result_path`."""
    with runner.platform.reads() as session:
        own_task(session, runner.caller, task_id)
        source = own_source(session, runner.platform.storage, runner.caller, wish.data_path)
        if "://" in source and not source.startswith("upload://"):
            raise BadInput(
                "data_path is an upload or a stored video; fetch URLs with POST /video/download."
            )
        row = repository.deployment_of(session, task_id, wish.version)
    options = InferenceOptions(
        deployment_id=row.id, inference_data_path=source, inference=wish.settings()
    )
    return await runner.run("inference", options, done=InferenceDone)
