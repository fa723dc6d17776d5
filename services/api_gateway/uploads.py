"""Receiving a file: streamed to disk, hashed on the way, cut off at the limit."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.api_gateway.errors import NotMedia, UploadTooLarge
from shared.errors import BadInput

OPAQUE = {
    "application/octet-stream",
    "application/mp4",
    "application/x-matroska",
    "binary/octet-stream",
}
NOT_MEDIA_MAGIC = {
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive",
    b"<!DOCTYPE": "an HTML page",
    b"<html": "an HTML page",
    b"\x7fELF": "a program",
}
CHUNK_PATIENCE_S = 60.0


@dataclass
class Received:
    """A file that arrived whole."""

    id: str
    filename: str
    path: Path
    bytes: int = 0
    sha256: str = ""


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""


async def receive(request: Request, folder: Path, limit_bytes: int) -> Received:
    """Read the one file of a multipart request into `folder/<id>/<filename>`.

    Memory stays constant; a failed or cut upload leaves nothing behind. Raises `NotMedia` (415),
    `UploadTooLarge` (413, also as soon as Content-Length tells), `BadInput` (400).
    """
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in parameters:
        raise NotMedia(f"sent as {kind.decode(errors='replace') or 'nothing'}")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes + 64 * 1024:
        raise UploadTooLarge(limit_bytes)
    upload_id = uuid4().hex
    target = folder / upload_id
    target.mkdir(parents=True)
    reader = _Reader(target, limit_bytes)
    try:
        parser = MultipartParser(parameters[b"boundary"], reader.callbacks())
        async with asyncio.timeout(None) as patience:
            loop = asyncio.get_running_loop()
            async for chunk in request.stream():
                patience.reschedule(loop.time() + CHUNK_PATIENCE_S)
                await asyncio.to_thread(parser.write, chunk)
        parser.finalize()
        return reader.result(upload_id)
    except MultipartParseError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise BadInput(f"The upload broke off or is not multipart/form-data: {error}.") from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    finally:
        reader.close()


class _Reader:
    """Takes the parser's calls; writes the part named `file`."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._part = _Part()
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._found: Received | None = None
        self._done = False

    def callbacks(self) -> dict[str, object]:
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

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _header_end(self) -> None:
        self._part.headers[self._part.name.decode().lower()] = self._part.value.decode()
        self._part.name = self._part.value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", ""))
        if options.get(b"name") != b"file" or b"filename" not in options:
            return
        if self._found is not None:
            raise BadInput("Send one file at a time; this upload has several parts named 'file'.")
        kind = self._part.headers.get("content-type", "application/octet-stream").split(";")[0]
        if not kind.startswith(("video/", "audio/")) and kind not in OPAQUE:
            raise NotMedia(f"declared as {kind}")
        filename = safe_name(options[b"filename"].decode(errors="replace"))
        path = self._folder / filename
        self._found = Received(self._folder.name, filename, path)
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
        if self._found.bytes > self._limit:
            raise UploadTooLarge(self._limit)
        self._digest.update(piece)
        self._file.write(piece)

    def _part_end(self) -> None:
        self.close()

    def _end(self) -> None:
        self._done = True

    def result(self, upload_id: str) -> Received:
        if self._found is None or not self._done:
            raise BadInput("The upload has no part named 'file' with a filename, or it broke off.")
        if self._found.bytes == 0:
            raise BadInput(f"The uploaded file {self._found.filename} is empty.")
        self._found.path.with_name(self._found.filename + ".part").replace(self._found.path)
        self._found.id = upload_id
        self._found.sha256 = self._digest.hexdigest()
        return self._found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def safe_name(given: str) -> str:
    """The last part of a client's file name, with characters that are harmless everywhere."""
    last = re.split(r"[/\\]", given)[-1]
    kept = re.sub(r"[^\w.-]+", "_", last).strip("._")[:100]
    return kept or "video"
