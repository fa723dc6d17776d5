"""Receiving a file: streamed to disk, hashed on the way, cut off at the limit."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from shared.errors import ActverseError, BadInput
from shared.messages import Sentence
from shared.web.gate import takes_upload
from shared.web.received import Limit, NotMedia, Received

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # a type only

OPAQUE = {
    "application/octet-stream",
    "application/mp4",
    "application/x-matroska",
    "binary/octet-stream",
}
NOT_MEDIA_MAGIC = {
    b"%PDF": Sentence("found.pdf"),
    b"PK\x03\x04": Sentence("found.zip"),
    b"<!DOCTYPE": Sentence("found.html"),
    b"<html": Sentence("found.html"),
    b"\x7fELF": Sentence("found.program"),
}
CHUNK_PATIENCE_S = 60.0
SLOWEST_BYTES_S = (
    1024  # on average, from the first minute on: who sends a byte now and then holds a place
)
MAX_HEADER_BYTES = 16 * 1024  # of one part
MAX_NAME_BYTES = 120  # file systems take 255, and we append to it
BESIDE_FILE_BYTES = 64 * 1024  # boundaries and other fields of the form
GATHERED_BYTES = 1024 * 1024  # that wait in memory, of each upload
LINGER_BYTES = 64 * 1024 * 1024
LINGER_S = 3.0


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    header_bytes: int = 0


async def receive(
    request: Request, folder: Path, limit: Limit, upload_id: str | None = None
) -> Received:
    """Read the one file of a multipart request into `folder/<upload_id>/<filename>`.

    Memory stays constant; a failed or cut upload leaves nothing behind. Raises `NotMedia` (415),
    `UploadTooLarge` (413, also as soon as Content-Length tells), `BadInput` (400).
    """
    takes_upload(request)
    body = request.stream()
    try:
        boundary = _boundary(request, limit)
        return await _received(body, boundary, folder / (upload_id or uuid4().hex), limit)
    except ActverseError:
        await _linger(body)
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


async def _received(
    body: AsyncIterator[bytes], boundary: bytes, target: Path, limit: Limit
) -> Received:
    reader = _Reader(target, limit)
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        async for chunks in _gathered(_bounded(_patiently(body), limit)):
            await asyncio.to_thread(_write_all, parser, chunks)
        parser.finalize()
        return reader.result()
    except MultipartParseError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadInput(Sentence("error.upload_broke_off", why=str(error))) from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    finally:
        reader.close()


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


async def _gathered(body: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The chunks of `body`, many at a time: what a thread costs, it costs each time it is asked."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in body:
        chunks.append(chunk)
        size += len(chunk)
        if size >= GATHERED_BYTES:
            yield chunks
            chunks, size = [], 0
    if chunks:
        yield chunks


def _write_all(parser: MultipartParser, chunks: list[bytes]) -> None:
    for chunk in chunks:
        parser.write(chunk)


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


class _Reader:
    """Takes the parser's calls; writes the part named `file`."""

    def __init__(self, folder: Path, limit: Limit) -> None:
        self._folder = folder
        self._limit = limit
        self._part = _Part()
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._found: Received | None = None
        self._done = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]
        self._count_header(end - start)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]
        self._count_header(end - start)

    def _count_header(self, size: int) -> None:
        self._part.header_bytes += size
        if self._part.header_bytes > MAX_HEADER_BYTES:
            raise BadInput("A part of the upload has headers longer than 16 kB.")

    def _header_end(self) -> None:
        name, value = (b.decode("latin-1") for b in (self._part.name, self._part.value))
        self._part.headers[name.lower()] = value
        self._part.name = self._part.value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", ""))
        if options.get(b"name") != b"file" or b"filename" not in options:
            return
        if self._found is not None:
            raise BadInput(Sentence("error.upload_several"))
        kind = self._part.headers.get("content-type", "application/octet-stream").split(";")[0]
        if not kind.startswith(("video/", "audio/")) and kind not in OPAQUE:
            raise NotMedia(Sentence("found.declared", kind=kind))
        filename = safe_name(options[b"filename"].decode(errors="replace"))
        path = self._folder / filename
        self._found = Received(self._folder.name, filename, path)
        self._folder.mkdir(parents=True)
        self._file = path.with_name(filename + ".part").open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None or self._found is None:
            return
        piece = data[start:end]
        if self._found.bytes == 0:
            for magic, what in NOT_MEDIA_MAGIC.items():
                if piece.lstrip()[: len(magic)].lower() == magic.lower():
                    raise NotMedia(what)
        self._found.bytes += len(piece)
        self._limit.check(self._found.bytes)
        self._digest.update(piece)
        self._file.write(piece)

    def _part_end(self) -> None:
        self.close()

    def _end(self) -> None:
        self._done = True

    def result(self) -> Received:
        if self._found is None or not self._done:
            raise BadInput(Sentence("error.upload_without_file"))
        if self._found.bytes == 0:
            raise BadInput(Sentence("error.upload_empty", filename=self._found.filename))
        self._found.path.with_name(self._found.filename + ".part").replace(self._found.path)
        self._found.sha256 = self._digest.hexdigest()
        return self._found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def safe_name(given: str) -> str:
    """The last part of a client's file name, with characters that are harmless everywhere."""
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", given)[-1])
    kept = re.sub(r"[^\w.-]+", "_", last).strip("._")
    stem, dot, ending = kept.rpartition(".")
    if not dot or len(ending) > 10:
        stem, dot, ending = kept, "", ""
    room = MAX_NAME_BYTES - len((dot + ending).encode())
    stem = stem.rstrip("._").encode()[:room].decode(errors="ignore")
    return (stem or "video") + dot + ending


def forget_broken(folder: Path, older_s: float = 3600.0) -> int:
    """Remove what uploads left behind whose process was killed; how many there were."""
    removed = 0
    for part in folder.glob("*/*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > older_s:
                shutil.rmtree(part.parent)
                removed += 1
    return removed
