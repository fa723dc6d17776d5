"""Sound in the storage: under which ending it lies, and how it is sent to a player."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from shared.platform import Platform
from shared.web.conditional import HEADERS, named
from shared.web.files import SentFile
from shared.web.openapi import responses

MEDIA_TYPES = {
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "audio/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "audio/webm",
}
"""What a browser is told. Nothing that it would open as a page: the name is the sender's."""
UNKNOWN = "application/octet-stream"
SENT: dict[int | str, dict[str, Any]] = {
    **responses(400, 404, 416),
    200: {"description": "The sound", "content": {"audio/*": {}, UNKNOWN: {}}},
    206: {"description": "The asked range of the sound"},
    304: {"description": "What `If-None-Match` names is still the sound"},
    307: {"description": "Where the storage itself serves it"},
}
"""The answers of a route that sends sound."""


def ending_of(filename: str) -> str:
    """The ending under which a file is kept: its own if it is one of sound, else `.bin`."""
    ending = PurePath(filename).suffix.lower()
    return ending if ending in MEDIA_TYPES else ".bin"


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
