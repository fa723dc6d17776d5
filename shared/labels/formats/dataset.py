"""What every format is read into and written from: pictures with labels, and where they belong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from shared.labels.boxes import EDGE_TOLERANCE, Box, FrameLabels, FrameState, LabelSet, checked_box
from shared.labels.errors import LabelInvalid
from shared.labels.folder import checked_classes

MAX_PICTURES = 200_000
MAX_BOXES = 5_000  # in one picture; more is a broken export
MAX_SIDE = 100_000  # pixels
MAX_CLASSES = 1_000
MAX_NAME = 255  # characters of a part of a path
DECIMALS = 6  # of a share of the image: what labels are stored with


@dataclass(frozen=True)
class Picture:
    """One image and what is known about it."""

    file: str  # name without folders, for example 00000012.jpg
    state: FrameState
    boxes: tuple[Box, ...] = ()
    folder: str = ""  # of the video that it is from; parts by '/'
    split: str = ""  # train, val, test, dropped; '' where nobody said
    frame: int | None = None  # index in the video, where the format says it
    width: int = 0  # pixels; 0 where the format does not say
    height: int = 0
    content: Callable[[], bytes] | None = None  # the image itself, when it is to be written

    @property
    def path(self) -> str:
        """Folder and name, as they stand in an archive."""
        return f"{self.folder}/{self.file}" if self.folder else self.file


@dataclass(frozen=True)
class LabelledPictures:
    """A whole data set."""

    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    told: tuple[str, ...] = ()  # what the format could not say, or was taken as; sentences

    def label_sets(self) -> dict[str, LabelSet]:
        """A `LabelSet` for each folder (video), in the order of the video."""
        folders: dict[str, list[Picture]] = {}
        for picture in self.pictures:
            folders.setdefault(picture.folder, []).append(picture)
        return {name: LabelSet(self.classes, _frames(found)) for name, found in folders.items()}


@dataclass(frozen=True)
class Member:
    """One file of an archive that is to be written."""

    name: str
    content: str | Callable[[], bytes]


def _frames(pictures: Sequence[Picture]) -> tuple[FrameLabels, ...]:
    """Numbered as the format says, else by digits in the names, else by their order."""
    numbers = [picture.frame for picture in pictures]
    if None in numbers or len(set(numbers)) < len(numbers):
        stems = [PurePosixPath(picture.file).stem for picture in pictures]
        digits = all(stem.isascii() and stem.isdigit() and len(stem) < 16 for stem in stems)
        numbers = [int(stem) for stem in stems] if digits else list(range(len(stems)))
        if len(set(numbers)) < len(numbers):
            numbers = list(range(len(stems)))
    frames = (
        FrameLabels(number or 0, picture.file, picture.state, picture.boxes)
        for number, picture in zip(numbers, pictures, strict=True)
    )
    return tuple(sorted(frames, key=lambda frame: frame.frame))


def checked_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Class names of a file. Raises `LabelInvalid`."""
    found = checked_classes(names, where=where)
    if len(found) > MAX_CLASSES:
        raise LabelInvalid(f"{where} has {len(found)} classes; at most {MAX_CLASSES} are read.")
    return found


def class_number(name: str, classes: Sequence[str], where: str) -> int:
    """Position of the class `name`. Raises `LabelInvalid`."""
    try:
        return classes.index(name)
    except ValueError:
        raise LabelInvalid(
            f"{where}: there is no class {name[:64]!r}; the classes are {', '.join(classes)}. "
            "Rename it, or add the class to the task."
        ) from None


def pixel_box(
    class_id: int,
    edges: Sequence[float],
    size: tuple[int, int],
    classes: Sequence[str],
    where: str,
    *,
    identity: int | None = None,
) -> Box:
    """A box from its left, upper, right and lower edge in pixels. Raises `LabelInvalid`."""
    left, top, right, bottom = edges
    if not all(math.isfinite(edge) for edge in edges):
        raise LabelInvalid(f"{where}: an edge of the box is not a number. Draw this box again.")
    width, height = size
    outside = max(-left / width, -top / height, right / width - 1, bottom / height - 1)
    if outside > EDGE_TOLERANCE or left > right or top > bottom:
        raise LabelInvalid(
            f"{where}: the box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) is no box within "
            f"an image of {width} x {height} pixels. Draw this box again."
        )
    box = Box(
        class_id,
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / width,
        (bottom - top) / height,
        identity=identity,
    )
    return share_box(box, classes, where)


def share_box(box: Box, classes: Sequence[str], where: str) -> Box:
    """A box that was checked, with the decimals that labels are stored with."""
    good = checked_box(box, tuple(classes), where=where)
    return replace(
        good,
        cx=round(good.cx, DECIMALS),
        cy=round(good.cy, DECIMALS),
        w=round(good.w, DECIMALS),
        h=round(good.h, DECIMALS),
    )


def checked_size(width: object, height: object, where: str) -> tuple[int, int]:
    """Width and height in pixels. Raises `LabelInvalid`."""
    with suppress(ValueError, OverflowError):
        numbers = [float(str(width)), float(str(height))]
        if all(number.is_integer() and 0 < number <= MAX_SIDE for number in numbers):
            return int(numbers[0]), int(numbers[1])
    raise LabelInvalid(
        f"{where}: {str(width)[:20]} x {str(height)[:20]} is not the size of an image in "
        f"pixels (1 to {MAX_SIDE}). Export the labels again."
    )


def split_path(path: str, where: str) -> tuple[str, str]:
    """Folder and name of an image's path. Raises `LabelInvalid` for one that leaves its root."""
    parts = path.split("/")
    bad = (
        not path.isprintable()
        or "\\" in path
        or any(part in {"", ".", ".."} or len(part) > MAX_NAME for part in parts)
        or len(path) > 4 * MAX_NAME
        or ":" in parts[0]
    )
    if bad:
        raise LabelInvalid(
            f"{where}: {path[:80]!r} is not a plain path. Name images like video/00000012.jpg, "
            "with '/', without '..'."
        )
    return "/".join(parts[:-1]), parts[-1]


def checked(data: LabelledPictures, where: str) -> LabelledPictures:
    """`data`, if its pictures are few enough, distinct and consistent. Raises `LabelInvalid`.

    The same box twice in a picture (a double click) counts once. Of a picture that has two boxes of
    one animal the identities are left out: one of them is wrong, and nobody knows which.
    """
    if len(data.pictures) > MAX_PICTURES:
        raise LabelInvalid(
            f"{where} has {len(data.pictures)} images; at most {MAX_PICTURES} are read. Divide it."
        )
    seen: set[tuple[str, str]] = set()
    pictures = []
    doubtful = 0
    for picture in data.pictures:
        stem = (picture.folder, PurePosixPath(picture.file).stem)
        if stem in seen:
            raise LabelInvalid(
                f"{where}: the image {picture.path} is there twice. Remove one, or put the images "
                "of each video into a folder of their own."
            )
        seen.add(stem)
        boxes = tuple(dict.fromkeys(picture.boxes))
        if len(boxes) > MAX_BOXES:
            raise LabelInvalid(
                f"{where}: {picture.path} has {len(boxes)} boxes; at most {MAX_BOXES} are read."
            )
        animals = [box.identity for box in boxes if box.identity is not None]
        if len(set(animals)) < len(animals):
            boxes = tuple(dict.fromkeys(replace(box, identity=None) for box in boxes))
            doubtful += 1
        pictures.append(replace(picture, boxes=boxes))
    told = data.told
    if doubtful:
        told = (*told, f"{doubtful} images have an animal twice: their identities are left out.")
    return replace(data, pictures=tuple(pictures), told=told)
