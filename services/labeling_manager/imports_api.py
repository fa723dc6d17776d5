"""Labels that were made elsewhere, for the frames of a task."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from services.labeling_manager import imports
from services.labeling_manager.schemas import ImportView
from shared.errors import BadInput, TooLarge
from shared.labels.formats.table import FormatName
from shared.messages import Sentence
from shared.web.access import InCaller, InPlatform
from shared.web.gate import takes_upload
from shared.web.openapi import file_body, responses

MAX_IMPORT_BYTES = 4 << 30  # images may lie in the archive, though they are not read
BESIDE_BYTES = 64 * 1024  # boundaries of the form
PIECE_BYTES = 1 << 20
MAX_NAME_BYTES = 200
ENDINGS = frozenset({".zip", ".json", ".xml", ".txt"})
router = APIRouter(prefix="/labels", tags=["labels"])


@router.post(
    "/{task_id}/import",
    responses=responses(400, 404, 409, 413, 422),
    openapi_extra=file_body("labels.zip"),
)
async def import_labels(
    request: Request,
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    source: Annotated[FormatName, Query(alias="format", description="What wrote the file")],
    *,
    dry_run: Annotated[bool, Query(description="Only say what would happen")] = True,
) -> ImportView:
    """Take labels for the frames of a task from a file of another tool (multipart, field `file`).

    Images are matched by their names without ending. Look first: nothing is changed unless
    `dry_run=false`. While the frames are being labelled, the labels appear in the built-in labeler or
    in the folder; else they are stored as the task's labels, and POST /training uses them.
    """
    with tempfile.TemporaryDirectory(prefix="actverse-import-") as folder:
        path = await _received(request, Path(folder))
        return await asyncio.to_thread(
            imports.take, platform, caller, task_id, source, path, dry_run=dry_run
        )


async def _received(request: Request, folder: Path) -> Path:
    """The file of the form, on this machine under its own name where that is harmless."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadInput(Sentence("error.form_needed"))
    takes_upload(request)
    bounded = Request(request.scope, _bounded(request))
    async with bounded.form(max_files=1, max_fields=4) as form:
        found = form.get("file")
        if not isinstance(found, UploadFile):
            raise BadInput(Sentence("error.form_needed"))
        path = folder / own_name(found.filename or "")
        with path.open("wb") as out:
            while piece := await found.read(PIECE_BYTES):
                await asyncio.to_thread(out.write, piece)
    return path


def own_name(given: str) -> str:
    """The last part of a client's file name: sentences repeat it, and formats may read an image from it.

    `labels`, with its ending, for what cannot be a file here, or could not be read in a sentence.
    """
    name = re.split(r"[/\\]", given)[-1]
    if name.isprintable() and not name.startswith(".") and 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return name
    ending = Path(name).suffix.lower()
    return f"labels{ending if ending in ENDINGS else ''}"


def _bounded(request: Request):  # noqa: ANN202 - an ASGI receive
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > MAX_IMPORT_BYTES + BESIDE_BYTES:
            raise TooLarge(Sentence("error.labels_too_large", limit_gib=MAX_IMPORT_BYTES >> 30))
        return message

    return receive
