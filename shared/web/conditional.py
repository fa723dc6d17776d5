"""Answers that a reader may keep: ETag, `If-None-Match` (304) and `If-Match` (412), as RFC 9110 has them.

The tag is of the answer itself, byte by byte: whatever a reader would see changes it, nothing else does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from shared.errors import Conflict
from shared.messages import Sentence

TAG = re.compile(r'(?:W/)?("[^"]*")')
VARIES = "Authorization, X-API-Key, Accept-Language"
"""What an answer depends on beside its address: whose it is, and in which language."""
HEADERS: Mapping[str, str] = {"Cache-Control": "private, no-cache", "Vary": VARIES}
"""Kept by the reader alone, who asks each time whether it still holds."""
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"schema": {"type": "string"}}}},
    304: {"description": "What `If-None-Match` names is still the answer"},
}


class Changed(Conflict):
    """What a change was based on is not what is there (412)."""

    status = HTTPStatus.PRECONDITION_FAILED

    def __init__(self) -> None:
        super().__init__(Sentence("error.changed_meanwhile"))


def tag_of(content: bytes) -> str:
    """The ETag of an answer, in its quotes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def conditional(request: Request, view: BaseModel) -> Response:
    """`view` as JSON with its ETag, or 304 when the reader has it."""
    content = view.model_dump_json().encode()
    headers = {**HEADERS, "ETag": tag_of(content)}
    if named(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def require_match(request: Request, view: BaseModel) -> None:
    """`Changed` when `If-Match` names another state than `view`; nothing where the header is not sent."""
    given = request.headers.get("if-match")
    if given is not None and not named(given, tag_of(view.model_dump_json().encode()), strong=True):
        raise Changed


def named(header: str | None, tag: str, *, strong: bool = False) -> bool:
    """Whether a list of tags has `tag`, or is `*`; `strong`: weak tags (`W/`) do not count."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    found = (each for each in TAG.finditer(header) if not strong or each[0] == each[1])
    return any(each[1] == tag for each in found)
