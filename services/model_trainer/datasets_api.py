"""Versions of data sets: what is in them, what changed, and as an archive for other tools."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from services.model_trainer import datasets
from services.model_trainer.datasets_schemas import DatasetDiff, DatasetsView
from shared.labels.formats.table import FormatName
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses

router = APIRouter(prefix="/datasets", tags=["datasets"])


@router.get("/{task_id}", responses=responses(404))
def list_datasets(platform: InPlatform, caller: InCaller, task_id: str) -> DatasetsView:
    """Every version of the data set of a task and its further rounds, with counts."""
    return datasets.listed(platform, caller, task_id)


@router.get("/{task_id}/{sha256}/diff", responses=responses(404))
def diff_dataset(platform: InPlatform, caller: InCaller, task_id: str, sha256: str) -> DatasetDiff:
    """Frames added, removed and labelled anew since the version before, boxes by class, splits."""
    return datasets.difference(platform, caller, task_id, sha256)


@router.get(
    "/{task_id}/{sha256}/export",
    response_class=StreamingResponse,
    responses={
        **responses(404, 409),
        200: {"description": "A zip archive with images", "content": {"application/zip": {}}},
    },
)
def export_dataset(
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    sha256: str,
    into: Annotated[FormatName, Query(alias="format")] = "yolo",
) -> StreamingResponse:
    """The version as a zip archive with its images, in the format of another tool."""
    name, pieces = datasets.archive(platform, caller, task_id, sha256, into)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)
