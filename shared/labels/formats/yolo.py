"""YOLO: data.yaml, images/{split}/..., labels/{split}/..., one text an image.

An image with an empty text is confirmed empty. Images that nobody looked at lie in unseen/ and are
listed in unseen.txt, where no training finds them: an image without a text in images/ would be
trained as background. Layouts read: images/train, train/images, and texts alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from shared.labels.boxes import FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.folder import CLASSES, MAX_TEXT_BYTES, NOT_LABELS
from shared.labels.formats.archive import Archive, opened
from shared.labels.formats.dataset import (
    LabelledPictures,
    Member,
    Picture,
    checked,
    checked_names,
    class_number,
    share_box,
    split_path,
)
from shared.labels.yolo import parse_yolo, write_yolo

SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test", "dropped": "dropped"}
UNSEEN = "unseen.txt"
MAX_NUMBER = 10**12  # of a class whose name is a number
OURS = NOT_LABELS | {UNSEEN}


def members(data: LabelledPictures) -> Iterator[Member]:
    """The files of an archive with `data`."""
    splits = {picture.split for picture in data.pictures}
    content: dict[str, Any] = {"path": ".", "names": dict(enumerate(data.classes))}
    for key in ("train", "val", "test"):
        if key in splits or key != "test":
            content[key] = f"images/{key}" if key in splits or key == "train" else "images/train"
    yield Member("data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
    unseen = [p.path for p in data.pictures if p.state is FrameState.UNSEEN]
    if unseen:
        yield Member(UNSEEN, "".join(f"{path}\n" for path in unseen))
    for picture in data.pictures:
        split = picture.split or "train"
        if picture.state is FrameState.UNSEEN:
            image = f"unseen/{picture.path}"
        else:
            image = f"images/{split}/{picture.path}"
            text = PurePosixPath(f"labels/{split}/{picture.path}").with_suffix(".txt")
            yield Member(text.as_posix(), write_yolo(picture.boxes))
        if picture.content is not None:
            yield Member(image, picture.content)


def read(path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
    """The labels of an archive. Raises `LabelInvalid`."""
    with opened(path) as archive:
        if not archive.is_packed:
            raise LabelInvalid(
                f"{path.name} is no zip archive. Pack the texts, one an image, with data.yaml."
            )
        names = _class_names(archive, classes)
        told: list[str] = []
        unseen = _unseen(archive)
        labels = _texts(archive)
        pictures = []
        without = 0
        for image in archive.images:
            if PurePosixPath(image).parts[0] == "unseen":
                continue
            split, folder, file = _place(image, "images")
            text = labels.pop((split, folder, PurePosixPath(file).stem + ".txt"), None)
            picture = Picture(file, FrameState.UNSEEN, folder=folder, split=split)
            without += text is None
            pictures.append(
                picture if text is None else _read(archive, text, picture, names, classes)
            )
        if without:
            told.append(f"{without} images have no text: taken as not looked at, not as empty.")
        if labels:
            told.append(f"{len(labels)} texts have no image in the archive; they are named .jpg.")
        for (split, folder, file), text in labels.items():
            stem = PurePosixPath(file).stem
            picture = Picture(f"{stem}.jpg", FrameState.UNSEEN, folder=folder, split=split)
            pictures.append(_read(archive, text, picture, names, classes))
        found = tuple(classes) if classes is not None else names
        return checked(LabelledPictures(found, (*pictures, *unseen), tuple(told)), path.name)


def _texts(archive: Archive) -> dict[tuple[str, str, str], str]:
    """The label texts by split, folder and file of their image."""
    found: dict[tuple[str, str, str], str] = {}
    for name in archive.texts(".txt"):
        if PurePosixPath(name).name.lower() in OURS:
            continue
        place = _place(name, "labels")
        if place in found:
            raise LabelInvalid(
                f"{archive.where(name)} and {found[place]} are of one image. Remove one."
            )
        found[place] = name
    return found


def _read(
    archive: Archive,
    text: str,
    picture: Picture,
    names: tuple[str, ...],
    classes: Sequence[str] | None,
) -> Picture:
    where = archive.where(text)
    boxes = parse_yolo(archive.text(text, MAX_TEXT_BYTES), names, where=where)
    if classes is not None:
        boxes = [
            replace(box, class_id=class_number(names[box.class_id], classes, where))
            for box in boxes
        ]
    found = tuple(share_box(box, classes or names, where) for box in boxes)
    return replace(picture, boxes=found, state=FrameState.LABELLED if found else FrameState.EMPTY)


def _unseen(archive: Archive) -> list[Picture]:
    listed = UNSEEN in archive.names
    lines = archive.text(UNSEEN).splitlines() if listed else []
    pictures = []
    for line in filter(None, (line.strip() for line in lines)):
        folder, file = split_path(line, archive.where(UNSEEN))
        pictures.append(Picture(file, FrameState.UNSEEN, folder=folder))
    return pictures


def _place(name: str, kind: str) -> tuple[str, str, str]:
    """Split, folder and file of images/train/video/a.jpg, train/images/a.jpg or a.txt."""
    parts = list(PurePosixPath(name).parts)
    split = ""
    if kind in parts[:-1]:
        at = parts.index(kind)
        before, after = parts[:at], parts[at + 1 :]
        if before and before[-1].lower() in SPLITS:
            split = SPLITS[before[-1].lower()]
        elif len(after) > 1 and after[0].lower() in SPLITS:
            split, after = SPLITS[after[0].lower()], after[1:]
        parts = after
    return split, "/".join(parts[:-1]), parts[-1]


def _class_names(archive: Archive, classes: Sequence[str] | None) -> tuple[str, ...]:
    """As data.yaml or classes.txt say; else the task's."""
    for name in archive.names:
        base = PurePosixPath(name).name.lower()
        if base in {"data.yaml", "data.yml", "dataset.yaml"}:
            return _yaml_names(archive.text(name, MAX_TEXT_BYTES), archive.where(name))
    for name in archive.names:
        if PurePosixPath(name).name.lower() == CLASSES:
            lines = archive.text(name, MAX_TEXT_BYTES).splitlines()
            return checked_names(lines, archive.where(name))
    if classes is not None:
        return tuple(classes)
    raise LabelInvalid(
        f"{archive.path.name} has neither data.yaml nor classes.txt, so nobody knows what the class "
        "numbers mean. Put one in."
    )


def _is_name(found: object) -> bool:
    """A text, or a number that can be written as one: Python refuses to write very long ones."""
    return isinstance(found, str) or (isinstance(found, int) and abs(found) < MAX_NUMBER)


def _yaml_names(text: str, where: str) -> tuple[str, ...]:
    """From a list, or from a mapping of 0, 1, 2 ... to names."""
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise LabelInvalid(f"{where} is not valid YAML ({str(error)[:120]}).") from error
    names = found.get("names") if isinstance(found, dict) else None
    if isinstance(names, dict):
        names = [names.get(i) for i in range(len(names))]
    if not isinstance(names, list) or not all(_is_name(name) for name in names):
        raise LabelInvalid(
            f"{where} has no usable `names`. Write a list of class names, or 0: name, 1: name ..."
        )
    return checked_names([str(name) for name in names], where)
