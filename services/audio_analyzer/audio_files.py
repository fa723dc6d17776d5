"""Sound in the storage, as it is sent to a player."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from services.audio_analyzer.media_types import MEDIA_TYPES, UNKNOWN
from shared.platform import Platform
from shared.web.conditional import HEADERS, named
from shared.web.files import SentFile
from shared.web.openapi import responses

SENT: dict[int | str, dict[str, Any]] = {
    **responses(400, 404, 416),
    200: {"description": "The sound", "content": {"audio/*": {}, UNKNOWN: {}}},
    206: {"description": "The asked range of the sound"},
    304: {"description": "What `If-None-Match` names is still the sound"},
    307: {"description": "Where the storage itself serves it"},
}
"""The answers of a route that sends sound."""


def sound(platform: Platform, request: Request, key: str, sha256: str) -> Response:
    """The stored sound, whole or in parts; 304 for who has it, 307 where the storage sends it.

    Scripts of a page get it from here in any case: the policy of the console lets them fetch from
    nowhere else, and a bucket would have to allow the page's origin.
    """
    headers = {**HEADERS, "ETag": f'"{sha256}"', "X-Content-Type-Options": "nosniff"}
    if named(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    by_script = request.headers.get("sec-fetch-mode") == "cors"  # only browsers say so
    link = None if by_script else platform.storage.link(key)
    if link is not None:
        return RedirectResponse(link, status_code=307, headers=dict(HEADERS))
    media_type = MEDIA_TYPES.get(PurePath(key).suffix, UNKNOWN)
    return SentFile(platform.storage.fetch(key), media_type=media_type, headers=headers)
