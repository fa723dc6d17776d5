"""Files of strangers, opened with care: bounded zip archives, JSON and XML.

Nothing is ever unpacked to the disk: label texts are read in memory, of images only the names.
"""

from __future__ import annotations

import json
import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from shared.labels.errors import LabelInvalid
from shared.labels.formats.dataset import split_path

MAX_ENTRIES = 400_000
MAX_DOCUMENT_BYTES = 128 << 20  # of one JSON or XML document
MAX_READ_BYTES = 512 << 20  # of all texts of an archive together
MAX_UNPACKED_BYTES = 64 << 30  # that the whole archive says it has
MAX_RATIO = 200  # of a member over 1 MiB; label texts pack to about a tenth
SMALL_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ELEMENTS = 5_000_000
DAMAGED = (  # what zipfile and its unpackers raise for members that somebody broke, or locked
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    MemoryError,
)
OF_THE_FINDER = "__MACOSX"  # a shadow of every file, which macOS adds to an archive
LONE_SURROGATE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|\\u[dD][c-fC-F]")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class Archive:
    """The members of a zip file, by name; or one plain file, under its own name."""

    def __init__(self, path: Path, file: zipfile.ZipFile | None) -> None:
        self.path = path
        self._file = file
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._left = MAX_READ_BYTES
        if file is not None:
            self._check(file)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all files, sorted; folders are left out."""
        return tuple(sorted(self._members)) if self._file is not None else (self.path.name,)

    @property
    def is_packed(self) -> bool:
        """Whether it is a zip archive."""
        return self._file is not None

    @property
    def images(self) -> tuple[str, ...]:
        """Of the images."""
        return tuple(name for name in self.names if name.lower().endswith(IMAGES))

    def texts(self, ending: str) -> tuple[str, ...]:
        """Of the files with that ending."""
        return tuple(name for name in self.names if name.lower().endswith(ending))

    def documents(self, ending: str) -> tuple[str, ...]:
        """The same; a file that is no archive is one, whatever its ending."""
        return self.names if self._file is None else self.texts(ending)

    def where(self, name: str) -> str:
        """How a member is called in a sentence."""
        return self.path.name if self._file is None else f"{self.path.name}: {name}"

    def text(self, name: str, limit: int = MAX_DOCUMENT_BYTES) -> str:
        """The content of a member, UTF-8. Raises `LabelInvalid`."""
        where = self.where(name)
        limit = min(limit, self._left)
        try:
            with (
                self.path.open("rb") if self._file is None else self._file.open(self._members[name])
            ) as stream:
                content = stream.read(limit + 1)
        except DAMAGED as error:
            raise LabelInvalid(f"{where} cannot be read ({error}). Pack it again.") from error
        if len(content) > limit:
            raise LabelInvalid(f"{where} is over {limit} bytes; that is more than labels need.")
        self._left -= len(content)
        try:
            return content.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise LabelInvalid(f"{where} is not a UTF-8 text. Export the labels again.") from error

    def _check(self, file: zipfile.ZipFile) -> None:
        members = file.infolist()
        name = self.path.name
        if len(members) > MAX_ENTRIES:
            raise LabelInvalid(
                f"{name} has {len(members)} files; at most {MAX_ENTRIES} are read. Divide it."
            )
        if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise LabelInvalid(
                f"{name} would unpack to more than {MAX_UNPACKED_BYTES >> 30} GiB. Divide it."
            )
        for member in members:
            if member.is_dir():
                continue
            where = f"{name}: {member.filename[:80]}"
            split_path(member.orig_filename, name)  # zipfile cuts names at a zero byte
            if member.filename.startswith(f"{OF_THE_FINDER}/"):
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                raise LabelInvalid(f"{where} is a link. Pack the file itself.")
            if member.flag_bits & 1:
                raise LabelInvalid(f"{where} is encrypted. Pack it without a password.")
            if member.file_size > max(SMALL_BYTES, MAX_RATIO * member.compress_size):
                raise LabelInvalid(
                    f"{where} would unpack to {member.file_size} bytes from "
                    f"{member.compress_size}: no label or image packs so well. Remove it."
                )
            if member.filename in self._members:
                raise LabelInvalid(f"{where} is there twice. Pack the files again.")
            self._members[member.filename] = member


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive or single file `path`. Raises `LabelInvalid`."""
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            raise LabelInvalid(
                f"{path.name} is no zip archive, or only a part of one. Pack it again."
            )
        yield Archive(path, None)
        return
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise LabelInvalid(f"{path.name} is a damaged zip archive ({error}).") from error
    with file:
        yield Archive(path, file)


def parse_json(text: str, where: str) -> Any:
    """JSON without NaN and infinity. Raises `LabelInvalid`."""

    def refuse(constant: str) -> NoReturn:
        raise LabelInvalid(f"{where}: {constant} is not a number of JSON. Export the labels again.")

    try:
        found = json.loads(text, parse_constant=refuse)
        if LONE_SURROGATE.search(text):  # cheap; only then is it worth a closer look
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise LabelInvalid(f"{where} has half a character in a text. Export it again.") from error
    except (ValueError, RecursionError) as error:
        raise LabelInvalid(f"{where} is not valid JSON ({str(error)[:120]}).") from error
    return found


def parse_xml(text: str, where: str) -> Element:
    """The root element of a document without entities of its own. Raises `LabelInvalid`."""
    builder, depth, elements = TreeBuilder(), 0, 0

    def refuse(*_: object) -> NoReturn:
        raise LabelInvalid(
            f"{where} declares a document type or entities, which labels never need. Remove them."
        )

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            raise LabelInvalid(
                f"{where} has more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} inside each other."
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser = expat.ParserCreate("utf-8")  # the text is decoded by now, whatever it declares
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.encode(), True)
        return builder.close()
    except expat.ExpatError as error:
        raise LabelInvalid(f"{where} is not valid XML ({error}).") from error


def number(value: Any, where: str) -> float:
    """A float, perhaps not finite, from JSON or a text. Raises `LabelInvalid`."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return float(value)
    raise LabelInvalid(f"{where}: {str(value)[:40]!r} is not a number.")
