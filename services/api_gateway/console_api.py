"""The console: static pages that anybody may load; what they show comes with a key from the API."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response

from shared.errors import NotFound

FOLDER = Path(__file__).parent / "console"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-cache",  # asked again each time, answered by 304: no page meets old scripts
}
router = APIRouter(prefix="/ui", include_in_schema=False)


@router.get("")
@router.get("/")
def tasks(request: Request) -> Response:
    """Your tasks."""
    return _file(request, "tasks.html")


@router.get("/label/{task_id}")
def labeler(request: Request, task_id: str) -> Response:
    """The built-in labeler of a task."""
    del task_id  # the page reads it from its address
    return _file(request, "label.html")


@router.get("/say")
def lines(request: Request) -> Response:
    """Lines of actors, to be said after them; which page is seen stands behind the `#`."""
    return _file(request, "say.html")


@router.get("/files/{name}")
def file(request: Request, name: str) -> Response:
    """A script or a style sheet of the console."""
    return _file(request, name)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Content and ETag of every file by its name; nothing else can be asked for."""
    contents = {f.name: f.read_bytes() for f in FOLDER.iterdir() if f.suffix in TYPES}
    return {name: (text, f'"{sha256(text).hexdigest()[:16]}"') for name, text in contents.items()}


def _file(request: Request, name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise NotFound(f"The console has no file {name!r}.")
    content, etag = found
    headers = {**HEADERS, "ETag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)
