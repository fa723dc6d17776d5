"""Uploads: through the gateway, or by a signed address straight into the storage."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from uuid import uuid4

from fastapi import APIRouter, Request

from services.api_gateway import repository
from services.api_gateway.errors import NoDirectUploads
from services.api_gateway.schemas import DirectUpload, DirectUploadWish, UploadView
from shared.admission.callers import Caller
from shared.db.models import Upload
from shared.errors import ActverseError
from shared.messages import Sentence
from shared.platform import Platform
from shared.storage.content import content_type
from shared.storage.port import Announced
from shared.telemetry.table import UPLOAD_BYTES
from shared.web import uploads
from shared.web.access import InCaller, InPlatform
from shared.web.form_file import OPAQUE, safe_name
from shared.web.openapi import file_body, responses
from shared.web.received import Limit, NotMedia, Received, UploadTooLarge

PENDING, READY = "PENDING", "READY"
router = APIRouter(prefix="/uploads", tags=["uploads"])


@router.post(
    "/",
    status_code=201,
    responses=responses(415, 507),
    openapi_extra=file_body("openfield.mp4"),
)
async def upload(request: Request, platform: InPlatform, caller: InCaller) -> UploadView:
    """Send a media file (multipart/form-data, field `file`); it is streamed to disk."""
    limit = Limit(platform.settings.gateway.max_upload_bytes)
    folder = platform.storage.local("uploads/new").parent
    return await uploads.receive(request, folder, limit, partial(_keep, platform, caller))


def _keep(platform: Platform, caller: Caller, received: Received) -> UploadView:
    row = Upload(
        id=received.id,
        user_id=caller.user_id,
        filename=received.filename,
        key=f"uploads/{received.id}/{received.filename}",
        bytes=received.bytes,
        sha256=received.sha256,
    )
    try:
        platform.storage.keep(received.path, row.key)
        with platform.sessions.begin() as session:
            session.add(row)
    except Exception:  # nobody will hear of this file: it must not stay
        with contextlib.suppress(ActverseError):
            platform.storage.delete(f"uploads/{received.id}")
        raise
    UPLOAD_BYTES.add(by=row.bytes)
    return _view(row)


@router.post("/direct", status_code=201, responses=responses(409, 415))
def announce_upload(platform: InPlatform, caller: InCaller, wish: DirectUploadWish) -> DirectUpload:
    """Where to send a media file without passing the gateway; call `complete` when it is sent.

    Send exactly the announced file, with the `method` and all of the `headers` given; the storage
    refuses any other. 409 where files lie in a folder: use POST /uploads/ there.
    """
    limit = platform.settings.gateway.max_upload_bytes
    if wish.bytes > limit:
        raise UploadTooLarge(limit)
    upload_id, filename = uuid4().hex, safe_name(wish.filename)
    announced = Announced(
        key=f"uploads/{upload_id}/{filename}",
        bytes=wish.bytes,
        sha256=wish.sha256.lower(),
        content_type=_media_type(wish.content_type or content_type(filename)),
    )
    link = platform.storage.upload_link(announced, platform.settings.gateway.upload_link_s)
    if link is None:
        raise NoDirectUploads
    with platform.sessions.begin() as session:
        session.add(
            Upload(
                id=upload_id,
                user_id=caller.user_id,
                filename=filename,
                key=announced.key,
                bytes=announced.bytes,
                sha256=announced.sha256,
                state=PENDING,
            )
        )
    return DirectUpload(
        upload_id=upload_id,
        url=link.url,
        method=link.method,
        headers=link.headers,
        expires_at=link.expires_at,
    )


@router.post("/direct/{upload_id}/complete", status_code=201, responses=responses(404, 409))
def complete_upload(platform: InPlatform, caller: InCaller, upload_id: str) -> UploadView:
    """Check the file that was sent; its `file_path` goes into POST /tasks/. Harmless when repeated."""
    whose = None if caller.is_admin else caller.user_id
    with platform.reads() as session:
        row = repository.own_upload(session, upload_id, whose)
    if row.state == READY:
        return _view(row)
    platform.storage.receive(Announced(row.key, row.bytes, row.sha256, content_type(row.filename)))
    with platform.sessions.begin() as session:
        row = repository.own_upload(session, upload_id, whose)
        row.state = READY
    UPLOAD_BYTES.add(by=row.bytes)
    return _view(row)


def _media_type(declared: str) -> str:
    """`declared`, if a video or a sound may be sent as it."""
    kind = declared.split(";", maxsplit=1)[0].strip().lower()
    if not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", kind):
        raise NotMedia(Sentence("found.no_media_type"))
    if not kind.startswith(("video/", "audio/")) and kind not in OPAQUE:
        raise NotMedia(Sentence("found.declared", kind=kind))
    return kind


def _view(row: Upload) -> UploadView:
    return UploadView(
        file_path=f"upload://{row.id}/{row.filename}",
        filename=row.filename,
        bytes=row.bytes,
        sha256=row.sha256,
    )
