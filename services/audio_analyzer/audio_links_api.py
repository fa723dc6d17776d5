"""Audio for an analysis server elsewhere: by a signed address, without a key."""

from __future__ import annotations

from pathlib import PurePath

from fastapi import APIRouter, Response

from services.audio_analyzer.media_types import MEDIA_TYPES, UNKNOWN
from services.audio_analyzer.remote import link_secret
from services.audio_analyzer.remote_errors import NoLinkSecret
from shared.errors import Forbidden, NotFound
from shared.messages import Sentence
from shared.net.signed_links import AUDIO, checked_link
from shared.web.access import InPlatform
from shared.web.files import SentFile
from shared.web.openapi import responses

router = APIRouter(prefix="/audio", tags=["analysis"])
HEADERS = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


@router.head("/{signature}/{key:path}", include_in_schema=False)
@router.get(
    "/{signature}/{key:path}",
    response_class=SentFile,
    responses={
        **responses(400, 403, 404, 416),
        200: {"description": "The audio", "content": {"audio/*": {}, UNKNOWN: {}}},
        206: {"description": "The asked range of the audio"},
    },
)
def signed_audio(platform: InPlatform, signature: str, key: str) -> Response:
    """One recording or take, by the address that was given to an analysis server; needs no key."""
    try:
        secret = link_secret(platform.settings)
    except NoLinkSecret as error:  # then this mesh has signed nothing
        raise Forbidden(Sentence("error.audio_link_unsigned")) from error
    opened = checked_link(secret, signature, key, AUDIO)
    if not platform.storage.exists(opened):
        raise NotFound(Sentence("error.audio_gone"))
    media_type = MEDIA_TYPES.get(PurePath(opened).suffix.lower(), UNKNOWN)
    return SentFile(platform.storage.fetch(opened), media_type=media_type, headers=HEADERS)
