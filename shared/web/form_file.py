"""The one file of a multipart form, written down as its pieces come in, and hashed on the way."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.errors import BadInput
from shared.messages import Sentence
from shared.web.received import Limit, NotMedia, Received

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # a type only

OPAQUE = {
    "application/octet-stream",
    "application/mp4",
    "application/ogg",  # what Firefox calls .ogg where the system does
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
MAX_HEADER_BYTES = 16 * 1024  # of one part
MAX_NAME_BYTES = 120  # file systems take 255, and we append to it


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    header_bytes: int = 0


class FormFile:
    """Takes the parser's calls; writes the part named `file` into a folder of its own."""

    def __init__(self, boundary: bytes, folder: Path, limit: Limit) -> None:
        self._parser = MultipartParser(boundary, self._callbacks())
        self._folder = folder
        self._limit = limit
        self._part = _Part()
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._found: Received | None = None
        self._done = False

    def write(self, chunks: Sequence[bytes]) -> None:
        """Take more of the form. Raises `NotMedia`, `UploadTooLarge`, `BadInput`."""
        with _explaining():
            for chunk in chunks:
                self._parser.write(chunk)

    def _callbacks(self) -> MultipartCallbacks:
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

    def received(self) -> Received:
        """The file, now that there is no more of the form."""
        with _explaining():
            self._parser.finalize()
        if self._found is None or not self._done:
            raise BadInput(Sentence("error.upload_without_file"))
        if self._found.bytes == 0:
            raise BadInput(Sentence("error.upload_empty", filename=self._found.filename))
        self._found.path.with_name(self._found.filename + ".part").replace(self._found.path)
        self._found.sha256 = self._digest.hexdigest()
        return self._found

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except MultipartParseError as error:
        raise BadInput(Sentence("error.upload_broke_off", why=str(error))) from error


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
