"""Counts and traces requests: the outermost layer, so that what the gate refuses is seen too."""

from __future__ import annotations

import hmac
import time
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry import tracing
from shared.telemetry.table import HTTP_SECONDS, SSE_STREAMS
from shared.web.access import key_of

METRICS = "/metrics"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNTRACED = frozenset({METRICS, "/health/ready"})  # asked every few seconds by machines
EVENT_STREAM = b"text/event-stream"


class Observed:
    """ASGI middleware: a span and a duration a request, by the template of its route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at the head of the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not tracing.on() or scope["path"] in UNTRACED:
            await self._counted(scope, receive, send, None)
            return
        parent = Request(scope).headers.get(tracing.CARRIER)
        method = _method(scope)
        with tracing.span(method, "server", parent, http_request_method=method) as span:
            await self._counted(scope, receive, send, span)

    async def _counted(self, scope: Scope, receive: Receive, send: Send, span: Any) -> None:
        began = time.monotonic()
        streams = 0

        async def observed(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start":
                route, status = _route(scope), str(message["status"])
                HTTP_SECONDS.observe(time.monotonic() - began, _method(scope), route, status)
                if span is not None:
                    _describe(span, scope, route, message["status"])
                if _kind(message).startswith(EVENT_STREAM):
                    streams = 1
                    SSE_STREAMS.add()
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            if streams:
                SSE_STREAMS.add(by=-1.0)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "OTHER"


def _route(scope: Scope) -> str:
    """The template, never the path: that holds ids, and strangers choose it."""
    route = scope.get("route")
    return str(getattr(route, "path", None) or "unmatched")


def _kind(message: Message) -> bytes:
    for name, value in message.get("headers", ()):
        if name.lower() == b"content-type":
            return bytes(value)
    return b""


def _describe(span: Any, scope: Scope, route: str, status: int) -> None:
    span.update_name(f"{_method(scope)} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    task_id = scope.get("path_params", {}).get("task_id")
    if task_id:
        span.set_attribute("task_id", task_id)
    if status >= 500:
        from opentelemetry.trace import StatusCode

        span.set_status(StatusCode.ERROR)


def scrapes(request: Request, token: str) -> bool:
    """Whether Prometheus asks for the figures, with the token that the operator gave it."""
    key = key_of(request)
    known = bool(token) and request.url.path == METRICS and key is not None
    return known and hmac.compare_digest(str(key).encode(), token.encode())
