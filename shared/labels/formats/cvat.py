"""CVAT for images 1.1: annotations.xml beside images/; boxes by their edges in pixels.

CVAT cannot tell an empty image from one that nobody looked at; ours have the extra attributes
`state` and `frame`, which CVAT passes over. In a file of another origin an image without a box is
taken as not looked at. A box's attribute `track_id` says which animal it is. CVAT for video 1.1 is
read too: see `cvat_tracks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.formats import cvat_tracks
from shared.labels.formats.archive import number, opened, parse_xml
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

FILE = "annotations.xml"
TRACK = "track_id"
EDGES = ("xtl", "ytl", "xbr", "ybr")
SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test", "dropped": "dropped"}
OTHER_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")


def members(data: LabelledPictures) -> Iterator[Member]:
    """The files of an archive with `data`."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "size").text = str(len(data.pictures))
    labels = SubElement(task, "labels")
    for name in data.classes:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "type").text = "rectangle"
        SubElement(label, "attributes")
    for image_id, picture in enumerate(data.pictures):
        _image(root, image_id, picture, data.classes)
    yield Member(
        FILE, '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, "unicode") + "\n"
    )
    for picture in data.pictures:
        if picture.content is not None:
            yield Member(f"images/{picture.path}", picture.content)


def _image(root: Element, image_id: int, picture: Picture, classes: Sequence[str]) -> None:
    image = SubElement(root, "image", id=str(image_id), name=picture.path)
    if picture.split:
        image.set("subset", picture.split)
    image.set("width", str(picture.width))
    image.set("height", str(picture.height))
    image.set("state", picture.state.value)
    if picture.frame is not None:
        image.set("frame", str(picture.frame))
    for box in picture.boxes:
        drawn = SubElement(image, "box", label=classes[box.class_id], source="manual", occluded="0")
        for name, edge in zip(EDGES, edges(box, picture.width, picture.height), strict=True):
            drawn.set(name, repr(edge))
        drawn.set("z_order", "0")
        if box.identity is not None:
            SubElement(drawn, "attribute", name=TRACK).text = str(box.identity)


def read(path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
    """The labels of an archive, or of one XML file. Raises `LabelInvalid`."""
    with opened(path) as archive:
        roots = []
        for name in archive.documents(".xml"):
            root = parse_xml(archive.text(name), archive.where(name))
            if root.tag == "annotations":
                roots.append((archive.where(name), root))
        if not roots:
            raise LabelInvalid(
                f"{path.name} has no file of CVAT (an XML with the root `annotations`). "
                "Export as 'CVAT for images 1.1'."
            )
        names: dict[str, None] = {}
        for where, root in roots:
            found = [label.findtext("name") or "" for label in root.iterfind("meta//labels/label")]
            names.update(dict.fromkeys(checked_names(found, where) if found else ()))
        told: list[str] = []
        if classes is None and not names:
            used = {
                shape.get("label", "")
                for _, root in roots
                for shape in (*root.iterfind("image/box"), *root.iterfind("track"))
            }
            names = dict.fromkeys(sorted(used))
            told.append("The file lists no labels: the classes are numbered by name.")
        known = tuple(classes) if classes is not None else checked_names(names, path.name)
        pictures = []
        unsure = 0
        for where, root in roots:
            if root.find("track") is not None:
                pictures += cvat_tracks.pictures_of(root, known, where)
            for image in root.iterfind("image"):
                picture, guessed = _picture(image, known, where)
                unsure += guessed
                pictures.append(picture)
        if unsure:
            told.append(
                f"{unsure} images have no box: CVAT does not say whether anybody looked, so they "
                "are taken as not looked at."
            )
        return checked(LabelledPictures(known, tuple(pictures), tuple(told)), path.name)


def _picture(image: Element, classes: Sequence[str], where: str) -> tuple[Picture, bool]:
    """The picture, and whether its state had to be guessed."""
    folder, file = split_path(image.get("name", ""), where)
    line = f"{where}: image {file}"
    if any(image.find(shape) is not None for shape in OTHER_SHAPES):
        raise LabelInvalid(f"{line} has shapes that are no boxes. Export boxes only.")
    drawn = image.findall("box")
    width, height = image.get("width"), image.get("height")
    size = (0, 0) if not drawn and width in {None, "0"} else checked_size(width, height, line)
    boxes = tuple(_box(box, size, classes, line) for box in drawn)
    said = image.get("state")
    if boxes and said not in {None, FrameState.LABELLED.value}:
        raise LabelInvalid(f"{line} is said to be {str(said)[:20]!r}, but has boxes.")
    state, guessed = FrameState.LABELLED, False
    if not boxes:
        empty = said == FrameState.EMPTY.value
        state = FrameState.EMPTY if empty else FrameState.UNSEEN
        guessed = said not in {FrameState.EMPTY.value, FrameState.UNSEEN.value}
    frame = image.get("frame", "")
    return (
        Picture(
            file,
            state,
            boxes,
            folder=folder,
            split=SPLITS.get(image.get("subset", "").lower(), ""),
            frame=int(frame) if frame.isascii() and frame.isdigit() and len(frame) < 13 else None,
            width=size[0],
            height=size[1],
        ),
        guessed,
    )


def _box(box: Element, size: tuple[int, int], classes: Sequence[str], where: str) -> Box:
    if number(box.get("rotation", "0"), where):
        raise LabelInvalid(f"{where}: a box is rotated. Draw it upright.")
    class_id = class_number((box.get("label") or "").strip(), classes, where)
    found = tuple(number(box.get(edge), f"{where}: {edge}") for edge in EDGES)
    animal = next((a.text for a in box.iterfind("attribute") if a.get("name") == TRACK), None)
    return pixel_box(class_id, found, size, classes, where, identity=identity_of(animal))
