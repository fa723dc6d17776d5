"""The formats by name, each imported when it is first used."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, cast

from shared.errors import Invalid
from shared.labels.formats.dataset import LabelledPictures, Member

FormatName = Literal["yolo", "coco", "voc", "label_studio", "cvat"]
FORMATS: dict[str, str] = {
    "yolo": "shared.labels.formats.yolo",
    "coco": "shared.labels.formats.coco",
    "voc": "shared.labels.formats.voc",
    "label_studio": "shared.labels.formats.label_studio",
    "cvat": "shared.labels.formats.cvat",
}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same data give the same archive
PACKED = (".json", ".xml", ".txt", ".yaml")
PIECE_BYTES = 1 << 18


class Format(Protocol):
    """What each file of a format has."""

    def members(self, data: LabelledPictures) -> Iterator[Member]:
        """The files of an archive with `data`; images whose `content` is None are left out."""
        ...

    def read(self, path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
        """The labels of an archive; with `classes` in their numbers. Raises `LabelInvalid`."""
        ...


def format_named(name: str) -> Format:
    """The format `name`."""
    if name not in FORMATS:
        raise Invalid(f"There is no format {name[:40]!r}. Choose one of: {', '.join(FORMATS)}.")
    return cast("Format", import_module(FORMATS[name]))


def read(name: str, path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
    """The labels in `path`; see `Format.read`."""
    return format_named(name).read(path, classes)


def write(name: str, data: LabelledPictures, out: BinaryIO) -> None:
    """A zip archive with `data` into `out`, which need not be able to seek."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for member in format_named(name).members(data):
            _add(archive, member)


def stream(name: str, data: LabelledPictures) -> Iterator[bytes]:
    """The same archive in pieces; holds one image at a time in memory."""
    buffer = _Pieces()
    with zipfile.ZipFile(cast("BinaryIO", buffer), "w", zipfile.ZIP_STORED) as archive:
        for member in format_named(name).members(data):
            _add(archive, member)
            if buffer.waiting >= PIECE_BYTES:
                yield buffer.taken()
    yield buffer.taken()


def _add(archive: zipfile.ZipFile, member: Member) -> None:
    entry = zipfile.ZipInfo(member.name, EPOCH)
    entry.external_attr = 0o644 << 16
    if member.name.endswith(PACKED):
        entry.compress_type = zipfile.ZIP_DEFLATED
    content = member.content if isinstance(member.content, str) else member.content()
    archive.writestr(entry, content)


class _Pieces(io.RawIOBase):
    """What was written since it was last taken; cannot seek, so zipfile never looks back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.waiting = 0

    def writable(self) -> bool:
        """Yes, and nothing else."""
        return True

    def write(self, data: object, /) -> int:
        """Remember a piece."""
        piece = bytes(cast("bytes", data))
        self._pieces.append(piece)
        self.waiting += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """Everything so far, which is forgotten."""
        pieces, self._pieces, self.waiting = b"".join(self._pieces), [], 0
        return pieces
