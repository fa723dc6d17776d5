"""Frames for the browser of a person who labels them: by a signed address, without a key.

The labeling tool is another origin, so its pages may read these images (CORS); no others may.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from shared.errors import NotFound
from shared.messages import Sentence
from shared.net.signed_links import checked_link, kept_secret
from shared.platform import Platform
from shared.settings import revealed
from shared.storage.content import content_type
from shared.web.access import InPlatform
from shared.web.files import SentFile
from shared.web.openapi import responses

CACHED_S = 3600  # a frame never changes under its address
router = APIRouter(prefix="/frames", tags=["labeling"])


@router.head("/{signature}/{rest:path}", include_in_schema=False)
@router.get(
    "/{signature}/{rest:path}",
    response_class=SentFile,
    responses={
        **responses(403, 404),
        200: {"description": "The image", "content": {"image/jpeg": {}}},
    },
)
def signed_frame(request: Request, platform: InPlatform, signature: str, rest: str) -> Response:
    """One image of a frame, by the address that was given to a labeling tool; needs no key."""
    settings = platform.settings
    secret = kept_secret(revealed(settings.labeling.frame_link_secret), settings.data_dir)
    key = checked_link(secret, signature, rest)
    if not platform.storage.exists(key):
        raise NotFound(Sentence("error.frame_gone"))
    headers = {
        "Cache-Control": f"private, max-age={CACHED_S}",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Origin",
    }
    origin = request.headers.get("origin")
    if origin is not None and origin in _origins(platform):
        headers["Access-Control-Allow-Origin"] = origin
    file = platform.storage.fetch(key)
    return SentFile(file, media_type=content_type(file.name), headers=headers)


def _origins(platform: Platform) -> set[str]:
    """Of the connected tool, as the mesh and as browsers reach it."""
    labeling = platform.settings.labeling
    urls = (labeling.label_studio_url, labeling.label_studio_public_url)
    return {f"{parts.scheme}://{parts.netloc}" for url in urls if url and (parts := urlsplit(url))}
