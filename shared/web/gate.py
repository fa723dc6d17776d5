"""What happens to a request before any route sees it: who asks, how often, and how much is sent.

Here and not in the routes, because a framework reads the body before it resolves dependencies: a
stranger would learn what is wrong with his JSON, and could send any amount of it.
"""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.admission.callers import Caller
from shared.errors import TooLarge
from shared.messages import Sentence
from shared.platform import Platform
from shared.web.access import key_of
from shared.web.observed import scrapes
from shared.web.problems import answer, told
from shared.web.rate import Limits

LOGIN = frozenset({"/auth/register", "/auth/login", "/auth/refresh", "/auth/logout"})
"""Where those go who have no key yet; they bring a password, or what a login gave them."""
OPEN = LOGIN | {"/health/ready", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
"""Paths without a key: also whether the mesh is up, and what it can be asked."""
SIGNED = (
    *("/frames/", "/labeling/webhook/", "/audio/"),
    *("/tokens/webhook/analysis-complete", "/scripts/webhook/analysis-complete"),
)
"""Paths whose requests prove themselves: by a signed address, or by a secret of their own."""
OPEN_PAGES = "/ui"
"""The console: its files hold nothing of anybody, and its page asks for the key."""
MAX_BODY_BYTES = 1024 * 1024
"""Longest body, except where a route takes uploads and says so (`takes_upload`): it has its own limit."""
TOO_LONG = Sentence("error.body_too_long", limit_kb=MAX_BODY_BYTES // 1024)


class Gate:
    """ASGI middleware: 401 without a known key, 429 for too many requests, 413 for a long body."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app = app
        self._platform = platform
        self._limits = Limits(platform.settings)
        self._token = platform.settings.metrics.token
        self._asked: dict[str, asyncio.Event] = {}  # keys that are being looked up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            known = not _needs_no_key(scope["path"])
            if known and not scrapes(request, self._token):
                request.state.caller = await self._caller(request)
            sends = request.headers.get("content-type", "").startswith("multipart/")
            receive = _bounded(request, receive, may_upload=known and sends)
        except Exception as error:  # noqa: BLE001 - the handlers of the app begin further inside
            await answer(request, told(request, error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _caller(self, request: Request) -> Caller:
        """Who asks; of many requests with one key that come at one moment, one looks for all."""
        key = key_of(request) or ""
        address = request.client.host if request.client else "unknown"
        while (caller := self._limits.at_hand(key)) is None:
            if asked := self._asked.get(key):
                await asked.wait()
                continue
            self._asked[key] = found = asyncio.Event()
            try:
                return await run_in_threadpool(
                    self._limits.identified, self._platform, key, address
                )
            finally:
                del self._asked[key]
                found.set()
        return caller


def _needs_no_key(path: str) -> bool:
    return path in OPEN or path == OPEN_PAGES or path.startswith((f"{OPEN_PAGES}/", *SIGNED))


def takes_upload(request: Request) -> None:
    """Said by a route that reads a multipart body piece by piece, up to a limit of its own.

    The framework reads any other body whole into memory, whatever kind its headers say it is of.
    """
    request.state.takes_upload = True


def _bounded(request: Request, receive: Receive, *, may_upload: bool) -> Receive:
    announced = request.headers.get("content-length", "")
    if not may_upload and announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise TooLarge(TOO_LONG)
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        if may_upload and getattr(request.state, "takes_upload", False):
            return message
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise HTTPException(413, TOO_LONG)  # the only kind that the framework lets pass here
        return message

    return bounded
