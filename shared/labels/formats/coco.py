"""COCO: annotations/instances_{split}.json beside images/; boxes as [x, y, width, height] in pixels.

COCO cannot tell an empty image from one that nobody looked at. Ours are kept apart: the latter
lie in annotations/unseen.json, and each image has the extra fields `state` and `frame`. In a file
of another tool, an image without a box is taken as not looked at. `track_id` of an annotation says which animal it is; tools write it there,
or among the attributes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.formats.archive import number, opened, parse_json
from shared.labels.formats.dataset import (
    LabelledPictures,
    Member,
    Picture,
    checked,
    checked_names,
    checked_size,
    class_number,
    pixel_box,
    split_path,
)
from shared.labels.formats.edges import edges
from shared.labels.identities import identity_of

FILE = re.compile(r"instances_([a-z]+?)[0-9]*\.json")
NONE = "all"
UNSEEN = "unseen"
MAX_FRAME = 10**12


def members(data: LabelledPictures) -> Iterator[Member]:
    """The files of an archive with `data`."""
    files: dict[str, list[Picture]] = {} if data.pictures else {f"instances_{NONE}": []}
    for picture in data.pictures:
        unseen = picture.state is FrameState.UNSEEN
        name = UNSEEN if unseen else f"instances_{picture.split or NONE}"
        files.setdefault(name, []).append(picture)
    first = 1
    for name, pictures in files.items():
        yield Member(f"annotations/{name}.json", json.dumps(_document(data, pictures, first)))
        first += len(pictures)
    for picture in data.pictures:
        if picture.content is not None:
            yield Member(f"images/{picture.path}", picture.content)


def _document(data: LabelledPictures, pictures: list[Picture], first: int) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, start=first):
        row = {
            "id": image_id,
            "file_name": picture.path,
            "width": picture.width,
            "height": picture.height,
            "state": picture.state.value,
            "split": picture.split,
        }
        images.append(row if picture.frame is None else {**row, "frame": picture.frame})
        for box in picture.boxes:
            x0, y0, x1, y1 = edges(box, picture.width, picture.height)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": box.class_id + 1,
                    "bbox": [x0, y0, round(x1 - x0, 9), round(y1 - y0, 9)],
                    "area": round((x1 - x0) * (y1 - y0), 3),
                    "iscrowd": 0,
                    **({} if box.identity is None else {"track_id": box.identity}),
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(data.classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def read(path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
    """The labels of an archive, or of one JSON file. Raises `LabelInvalid`."""
    with opened(path) as archive:
        documents = []
        for name in archive.documents(".json"):
            where = archive.where(name)
            document = parse_json(archive.text(name), where)
            if isinstance(document, dict) and isinstance(document.get("images"), list):
                documents.append((name, where, document))
        if not documents:
            raise LabelInvalid(
                f"{path.name} has no COCO JSON: an object with the lists images, annotations and "
                "categories. Export it again."
            )
        names: dict[str, None] = {}
        for _, where, document in documents:
            names.update(dict.fromkeys(_categories(document, where).values()))
        known = checked_names(names, path.name) if classes is None else tuple(classes)
        told: list[str] = []
        pictures: list[Picture] = []
        for name, where, document in documents:
            match = FILE.fullmatch(PurePosixPath(name).name)
            split = match[1] if match and match[1] != NONE else ""
            pictures += _pictures(document, known, split, where, told)
        return checked(LabelledPictures(known, tuple(pictures), tuple(told)), path.name)


def _rows(document: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    rows = document.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LabelInvalid(f"{where}: `{key}` is not a list of objects. Export the labels again.")
    return rows


def _categories(document: dict[str, Any], where: str) -> dict[Any, str]:
    found = {}
    for row in _rows(document, "categories", where):
        if not isinstance(row.get("id"), int) or not isinstance(row.get("name"), str):
            raise LabelInvalid(f"{where}: a category needs a number `id` and a `name`.")
        if row["id"] in found:
            raise LabelInvalid(f"{where}: the category {row['id']} is there twice. Remove one.")
        found[row["id"]] = row["name"].strip()
    return dict(sorted(found.items()))


def _pictures(
    document: dict[str, Any], classes: Sequence[str], split: str, where: str, told: list[str]
) -> list[Picture]:
    images: dict[Any, dict[str, Any]] = {}
    for row in _rows(document, "images", where):
        if not isinstance(row.get("id"), int | str) or not isinstance(row.get("file_name"), str):
            raise LabelInvalid(f"{where}: an image needs an `id` and a `file_name`.")
        if row["id"] in images:
            raise LabelInvalid(f"{where}: the image id {row['id']} is there twice. Remove one.")
        images[row["id"]] = row
    boxes = _boxes(document, images, classes, where, told)
    pictures = []
    unsure = 0
    for image, row in images.items():
        picture, guessed = _picture(row, tuple(boxes.get(image, ())), split, where)
        unsure += guessed
        pictures.append(picture)
    if unsure:
        told.append(
            f"{unsure} images have no box: COCO does not say whether anybody looked, so they are "
            "taken as not looked at."
        )
    return pictures


def _boxes(
    document: dict[str, Any],
    images: dict[Any, dict[str, Any]],
    classes: Sequence[str],
    where: str,
    told: list[str],
) -> dict[Any, list[Box]]:
    """The boxes by image id."""
    categories = _categories(document, where)
    boxes: dict[Any, list[Box]] = {}
    crowds = 0
    for row in _rows(document, "annotations", where):
        line = f"{where}: annotation {str(row.get('id'))[:20]}"
        image, category = row.get("image_id"), row.get("category_id")
        if not isinstance(image, int | str) or image not in images:
            raise LabelInvalid(f"{line} is of the image {str(image)[:40]}, which is not there.")
        if row.get("iscrowd"):
            crowds += 1
            continue
        if not isinstance(category, int) or category not in categories:
            raise LabelInvalid(f"{line} has the category {str(category)[:20]}, which is not there.")
        class_id = class_number(categories[category], classes, line)
        size = checked_size(images[image].get("width"), images[image].get("height"), line)
        boxes.setdefault(image, []).append(_box(row, class_id, size, classes, line))
    if crowds:
        told.append(f"{crowds} crowd regions are left out: they are no boxes of single objects.")
    return boxes


def _identity(row: dict[str, Any]) -> int | None:
    attributes = row.get("attributes")
    among = attributes.get("track_id") if isinstance(attributes, dict) else None
    return identity_of(row.get("track_id", among))


def _picture(
    row: dict[str, Any], boxes: tuple[Box, ...], split: str, where: str
) -> tuple[Picture, bool]:
    """The picture, and whether its state had to be guessed."""
    folder, file = split_path(row["file_name"], where)
    state, guessed = _state(row.get("state"), boxes, f"{where}: image {file}")
    frame, width, height = row.get("frame"), row.get("width"), row.get("height")
    size = checked_size(width, height, f"{where}: image {file}") if width and height else (0, 0)
    picture = Picture(
        file,
        state,
        boxes,
        folder=folder,
        split=row["split"] if row.get("split") in _OUR_SPLITS else split,
        frame=frame if isinstance(frame, int) and 0 <= frame < MAX_FRAME else None,
        width=size[0],
        height=size[1],
    )
    return picture, guessed


_OUR_SPLITS = ("", "train", "val", "test", "dropped")


def _state(said: Any, boxes: tuple[Box, ...], where: str) -> tuple[FrameState, bool]:
    """The state of an image, and whether it had to be guessed."""
    if boxes:
        if said not in (None, FrameState.LABELLED.value):
            raise LabelInvalid(f"{where} is said to be {said!r}, but has boxes.")
        return FrameState.LABELLED, False
    if said == FrameState.EMPTY.value:
        return FrameState.EMPTY, False
    return FrameState.UNSEEN, said != FrameState.UNSEEN.value


def _box(
    row: dict[str, Any], class_id: int, size: tuple[int, int], classes: Sequence[str], where: str
) -> Box:
    bbox = row.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise LabelInvalid(f"{where}: `bbox` is not [x, y, width, height].")
    x, y, w, h = (number(value, where) for value in bbox)
    return pixel_box(class_id, (x, y, x + w, y + h), size, classes, where, identity=_identity(row))
