"""Label Studio: labels.json (a list of tasks) and label_config.xml; boxes in percent.

Keeps all three states: no annotation = not looked at, an annotation without a box = confirmed
empty; a skipped task (`was_cancelled`) counts as not looked at. Of several annotations the newest
one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.formats.archive import Archive, number, opened, parse_json, parse_xml
from shared.labels.formats.dataset import (
    LabelledPictures,
    Member,
    Picture,
    checked,
    checked_names,
    checked_size,
    class_number,
    share_box,
    split_path,
)

LABELS, CONFIG = "labels.json", "label_config.xml"
UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before an uploaded name
SPLITS = ("", "train", "val", "test", "dropped")


def members(data: LabelledPictures) -> Iterator[Member]:
    """The files of an archive with `data`."""
    yield Member(CONFIG, _config(data.classes))
    tasks = [_task(i, picture, data.classes) for i, picture in enumerate(data.pictures, start=1)]
    yield Member(LABELS, json.dumps(tasks, ensure_ascii=False))
    for picture in data.pictures:
        if picture.content is not None:
            yield Member(f"images/{picture.path}", picture.content)


def _config(classes: Sequence[str]) -> str:
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image")
    labels = SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in classes:
        SubElement(labels, "Label", value=name)
    return tostring(view, encoding="unicode") + "\n"


def _task(task_id: int, picture: Picture, classes: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "image": f"images/{picture.path}",
        "file": picture.file,
        "video": picture.folder,
        "split": picture.split,
        "width": picture.width,
        "height": picture.height,
    }
    if picture.frame is not None:
        said["frame"] = picture.frame
    annotations = []
    if picture.state is not FrameState.UNSEEN:
        result = [_result(box, picture, classes) for box in picture.boxes]
        annotations.append({"id": task_id, "was_cancelled": False, "result": result})
    return {"id": task_id, "data": said, "annotations": annotations}


def _result(box: Box, picture: Picture, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": picture.width,
        "original_height": picture.height,
        "image_rotation": 0,
        "value": {
            "x": round(100 * (box.cx - box.w / 2), 9),
            "y": round(100 * (box.cy - box.h / 2), 9),
            "width": round(100 * box.w, 9),
            "height": round(100 * box.h, 9),
            "rotation": 0,
            "rectanglelabels": [classes[box.class_id]],
        },
    }


def read(path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
    """The labels of an archive, or of one JSON file. Raises `LabelInvalid`."""
    with opened(path) as archive:
        tasks: list[tuple[str, dict[str, Any]]] = []
        for name in archive.documents(".json"):
            where = archive.where(name)
            found = parse_json(archive.text(name), where)
            if not isinstance(found, list) or not all(isinstance(task, dict) for task in found):
                raise LabelInvalid(
                    f"{where} is not a list of tasks. Export from Label Studio as JSON."
                )
            tasks += [
                (f"{where}: task {str(task.get('id', i))[:20]}", task)
                for i, task in enumerate(found, start=1)
            ]
        told: list[str] = []
        chosen = [(where, task, _newest(task, where)) for where, task in tasks]
        known = tuple(classes) if classes is not None else _classes(archive, chosen, told)
        pictures = tuple(_picture(where, task, item, known) for where, task, item in chosen)
        skipped = sum(bool(task.get("annotations")) and item is None for _, task, item in chosen)
        if skipped:
            told.append(f"{skipped} tasks were skipped: taken as not looked at.")
        return checked(LabelledPictures(known, pictures, tuple(told)), path.name)


def _newest(task: dict[str, Any], where: str) -> dict[str, Any] | None:
    """The newest annotation that was not cancelled."""
    rows = task.get("annotations", task.get("completions", []))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LabelInvalid(
            f"{where}: `annotations` is not a list. Export the full JSON, not the "
            "small one (JSON-MIN)."
        )
    usable = [row for row in rows if not row.get("was_cancelled")]

    def age(row: dict[str, Any]) -> tuple[str, int]:
        made = row.get("updated_at") or row.get("created_at") or ""
        return str(made), row["id"] if isinstance(row.get("id"), int) else 0

    return max(usable, key=age, default=None)


def _results(item: dict[str, Any], where: str) -> list[dict[str, Any]]:
    rows = item.get("result", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LabelInvalid(f"{where}: `result` is not a list of objects.")
    for row in rows:
        if row.get("type") not in ("rectanglelabels", "rectangle"):  # any JSON: no set takes a list
            raise LabelInvalid(
                f"{where}: a {str(row.get('type'))[:30]} is no box. Export boxes (rectanglelabels)."
            )
        value = row.get("value")
        names = value.get("rectanglelabels") if isinstance(value, dict) else None
        if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
            raise LabelInvalid(f"{where}: a box needs exactly one label.")
    return rows


def _classes(
    archive: Archive,
    chosen: list[tuple[str, dict[str, Any], dict[str, Any] | None]],
    told: list[str],
) -> tuple[str, ...]:
    for name in archive.names:
        if PurePosixPath(name).name == CONFIG:
            root = parse_xml(archive.text(name), archive.where(name))
            found = [label.get("value", "") for label in root.iter("Label")]
            return checked_names(found, archive.where(name))
    names = {
        row["value"]["rectanglelabels"][0].strip()
        for where, _, item in chosen
        if item is not None
        for row in _results(item, where)
    }
    told.append("There is no label_config.xml: the classes are numbered by name.")
    return checked_names(sorted(names), archive.path.name)


def _picture(
    where: str, task: dict[str, Any], item: dict[str, Any] | None, classes: Sequence[str]
) -> Picture:
    said = task.get("data")
    if not isinstance(said, dict):
        raise LabelInvalid(f"{where} has no `data`. Export from Label Studio as JSON.")
    file = said.get("file") or _file(said, where)
    folder = said.get("video", "")
    if not isinstance(file, str) or not isinstance(folder, str):
        raise LabelInvalid(f"{where}: `file` and `video` of the data are texts.")
    if folder and "://" not in folder:
        folder, file = split_path(f"{folder}/{file}", where)
    else:
        folder, file = "", split_path(file, where)[1]
    results = [] if item is None else _results(item, where)
    boxes = tuple(_box(row, classes, where) for row in results)
    size = (said.get("width") or 0, said.get("height") or 0)
    if results and not size[0]:
        size = (results[0].get("original_width"), results[0].get("original_height"))
    width, height = checked_size(*size, where) if size[0] else (0, 0)
    state = FrameState.LABELLED if boxes else FrameState.EMPTY
    frame, split = said.get("frame"), said.get("split", "")
    return Picture(
        file,
        FrameState.UNSEEN if item is None else state,
        boxes,
        folder=folder,
        split=split if split in SPLITS else "",
        frame=frame if isinstance(frame, int) and 0 <= frame < 10**12 else None,
        width=width,
        height=height,
    )


def _file(said: dict[str, Any], where: str) -> str:
    """The image's name: the last part of its address."""
    address = said.get("image") or next(
        (value for value in said.values() if isinstance(value, str) and "." in value), None
    )
    if not isinstance(address, str):
        raise LabelInvalid(f"{where} names no image in its `data`.")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise LabelInvalid(f"{where}: {address[:60]!r} is no address.") from error
    local = parts.query.removeprefix("d=") if "local-files" in parts.path else parts.path
    return UPLOADED.sub("", PurePosixPath(unquote(local)).name, count=1)


def _box(row: dict[str, Any], classes: Sequence[str], where: str) -> Box:
    value = row["value"]
    x, y, w, h = (
        number(value.get(key), f"{where}: {key}") / 100 for key in ("x", "y", "width", "height")
    )
    if number(value.get("rotation", 0), where):
        raise LabelInvalid(f"{where}: a box is rotated. Draw it upright.")
    name = value["rectanglelabels"][0].strip()
    box = Box(class_number(name, classes, where), x + w / 2, y + h / 2, w, h)
    return share_box(box, classes, where)
