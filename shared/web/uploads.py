"""Receiving a file: streamed to disk, hashed on the way, cut off at the limit."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from shared.errors import ActverseError, BadInput
from shared.messages import Sentence
from shared.web.form_file import FormFile
from shared.web.gate import takes_upload
from shared.web.received import Limit, NotMedia, Received

T = TypeVar("T")
CHUNK_PATIENCE_S = 60.0
SLOWEST_BYTES_S = (
    1024  # on average, from the first minute on: who sends a byte now and then holds a place
)
BESIDE_FILE_BYTES = 64 * 1024  # boundaries and other fields of the form
GATHERED_BYTES = 1024 * 1024  # that wait in memory, of each upload
LINGER_BYTES = 64 * 1024 * 1024
LINGER_S = 3.0


async def receive(
    request: Request,
    folder: Path,
    limit: Limit,
    keep: Callable[[Received], T],
    *,
    upload_id: str | None = None,
    threads: CapacityLimiter | None = None,
) -> T:
    """Read the one file of a multipart request into `folder/<upload_id>/<filename>`, and `keep` it.

    Returns what `keep` makes of it, which runs in the thread that wrote the last of it: changing
    threads costs more than a small file does. Memory stays constant; an upload that fails, is cut off
    or not kept leaves nothing behind. Raises `NotMedia` (415), `UploadTooLarge` (413, also as soon as
    Content-Length tells), `BadInput` (400), and what `keep` raises.
    """
    takes_upload(request)
    body = request.stream()
    try:
        boundary = _boundary(request, limit)
        target = folder / (upload_id or uuid4().hex)
        file = FormFile(boundary, target, limit)
        with _undone(file, target):
            rest = await _written(file, _bounded(_patiently(body), limit), threads)

        def end() -> T:  # not undone by a request that ends meanwhile: it is kept, or it is not
            with _undone(file, target):
                file.write(rest)
                return keep(file.received())

        return await run_sync(end, limiter=threads)
    except ActverseError:
        await _linger(body)
        raise


@contextlib.contextmanager
def _undone(file: FormFile, folder: Path) -> Iterator[None]:
    """What goes wrong in here leaves nothing of `file`."""
    try:
        yield
    except BaseException:
        file.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.asynccontextmanager
async def hearing_out(request: Request) -> AsyncIterator[None]:
    """For checks before the upload is read: who is refused by them reads why (see `_linger`)."""
    takes_upload(request)
    try:
        yield
    except ActverseError:
        await _linger(request.stream())
        raise


def _boundary(request: Request, limit: Limit) -> bytes:
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not parameters.get(b"boundary"):
        said = kind.decode(errors="replace") or Sentence("found.nothing")
        raise NotMedia(Sentence("found.sent", kind=said))
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        limit.check(int(announced), BESIDE_FILE_BYTES)
    return parameters[b"boundary"]


async def _written(
    file: FormFile, body: AsyncIterator[bytes], threads: CapacityLimiter | None
) -> list[bytes]:
    """Write `body`, much of it at a time, and return what is left for the last time."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in body:
        chunks.append(chunk)
        size += len(chunk)
        if size >= GATHERED_BYTES:
            await run_sync(file.write, chunks, limiter=threads)
            chunks, size = [], 0
    return chunks


async def _patiently(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of `body`; a sender that is silent for too long, or only drips, is not waited for."""
    begun, total = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(CHUNK_PATIENCE_S):
                chunk = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise BadInput(Sentence("error.upload_silent", patience_s=CHUNK_PATIENCE_S)) from None
        total += len(chunk)
        if total < SLOWEST_BYTES_S * (time.monotonic() - begun - CHUNK_PATIENCE_S):
            raise BadInput(Sentence("error.upload_slow", least=SLOWEST_BYTES_S))
        yield chunk


async def _bounded(body: AsyncIterator[bytes], limit: Limit) -> AsyncIterator[bytes]:
    """The chunks of `body`, as long as they are no more than a file and its form."""
    total = 0
    async for chunk in body:
        total += len(chunk)
        limit.check(total, BESIDE_FILE_BYTES)
        yield chunk


async def _linger(body: AsyncIterator[bytes]) -> None:
    """Take a little more of a refused upload and throw it away.

    Closing a connection on which data still arrives resets it, and the sender would see a broken
    pipe instead of our sentence (RFC 9112, section 9.6).
    """
    taken = 0
    with contextlib.suppress(TimeoutError, RuntimeError, ClientDisconnect):
        async with asyncio.timeout(LINGER_S):
            async for chunk in body:
                taken += len(chunk)
                if taken > LINGER_BYTES:
                    return


def forget_broken(folder: Path, older_s: float = 3600.0) -> int:
    """Remove what uploads left behind whose process was killed; how many there were."""
    removed = 0
    for part in folder.glob("*/*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > older_s:
                shutil.rmtree(part.parent)
                removed += 1
    return removed
