"""Files as answers: parts of them by `Range` (RFC 9110), and a problem for a range that they do not have."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from shared.errors import ActverseError, BadInput
from shared.messages import Sentence
from shared.web.problems import answer

SHOWN = 100  # characters of a header that are repeated to its sender
REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})


class RangeNotSatisfiable(BadInput):
    """A range that begins behind the end of the file; the answer names the size of the file."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


class SentFile(FileResponse):
    """A file, whole or in parts; what the framework refuses in plain text or silence is a problem here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or say what is wrong with the range."""
        refusal: Headers | None = None

        async def watched(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start" and message["status"] in REFUSED:
                refusal = Headers(raw=list(message["headers"]))
            if refusal is None:
                await send(message)

        await super().__call__(scope, receive, watched)
        if refusal is None:
            return
        request = Request(scope)
        size = refusal.get("content-range")  # `bytes */1048576`
        problem = answer(request, _error(request.headers.get("range", "")[:SHOWN], size))
        if size is not None:
            problem.headers["Content-Range"] = size
        await problem(scope, receive, send)


def _error(asked: str, size: str | None) -> ActverseError:
    if size is None:
        return BadInput(Sentence("error.malformed_range", asked=asked))
    given = {"asked": asked, "size": size.rpartition("/")[2]}
    return RangeNotSatisfiable(Sentence("error.unsatisfiable_range", **given))
