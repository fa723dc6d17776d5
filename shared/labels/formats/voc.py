"""Pascal VOC: Annotations/*.xml beside JPEGImages/, splits in ImageSets/Main/, labelmap.txt.

A file without an object is a confirmed empty image; an image without a file was not looked at
(listed in ImageSets/Main/unseen.txt). An XML without `filename` is of the image with its own name.
Edges count from 0 and keep their decimals, as newer tools write them; the classes stand in
labelmap.txt in their order, else they are sorted by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement, tostring

from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.folder import MAX_TEXT_BYTES
from shared.labels.formats.archive import Archive, number, opened, parse_xml
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

LABELMAP = "labelmap.txt"
SETS = "ImageSets/Main/"
ALL, UNSEEN = "default", "unseen"
EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class _Object:
    name: str
    edges: tuple[float, ...]  # pixels
    where: str


def members(data: LabelledPictures) -> Iterator[Member]:
    """The files of an archive with `data`."""
    yield Member(LABELMAP, "".join(f"{name}:::\n" for name in data.classes))
    sets: dict[str, list[str]] = {}
    for picture in data.pictures:
        if picture.state is FrameState.UNSEEN:
            sets.setdefault(UNSEEN, []).append(picture.path)
            continue
        path = PurePosixPath(picture.path)
        sets.setdefault(picture.split or ALL, []).append(path.with_suffix("").as_posix())
        yield Member(f"Annotations/{path.with_suffix('.xml')}", _xml(picture, data.classes))
    for name, lines in sets.items():
        yield Member(f"{SETS}{name}.txt", "".join(f"{line}\n" for line in lines))
    for picture in data.pictures:
        if picture.content is not None:
            yield Member(f"JPEGImages/{picture.path}", picture.content)


def _xml(picture: Picture, classes: Sequence[str]) -> str:
    root = Element("annotation")
    SubElement(root, "folder").text = picture.folder
    SubElement(root, "filename").text = picture.file
    size = SubElement(root, "size")
    for tag, value in (("width", picture.width), ("height", picture.height), ("depth", 3)):
        SubElement(size, tag).text = str(value)
    for box in picture.boxes:
        item = SubElement(root, "object")
        SubElement(item, "name").text = classes[box.class_id]
        for tag in ("truncated", "difficult"):
            SubElement(item, tag).text = "0"
        drawn = SubElement(item, "bndbox")
        for tag, edge in zip(EDGES, edges(box, picture.width, picture.height), strict=True):
            SubElement(drawn, tag).text = repr(edge)
    return tostring(root, encoding="unicode") + "\n"


def read(path: Path, classes: Sequence[str] | None = None) -> LabelledPictures:
    """The labels of an archive, or of one XML file. Raises `LabelInvalid`."""
    with opened(path) as archive:
        told: list[str] = []
        splits, unseen = _sets(archive)
        parsed = []
        for name in archive.texts(".xml"):
            root = parse_xml(archive.text(name, MAX_TEXT_BYTES), archive.where(name))
            if root.tag == "annotation":
                named = (root.findtext("filename") or "").strip()
                alone = name
                if named and not archive.is_packed:
                    alone = split_path(named, archive.where(name))[1]
                parsed.append((PurePosixPath(alone).with_suffix(".xml").as_posix(), root))
        if not parsed and not unseen:
            raise LabelInvalid(
                f"{path.name} has no Pascal VOC file (an XML with the root `annotation`)."
            )
        listed = {image: _objects(root, archive.where(image)) for image, root in parsed}
        known = _classes(archive, listed, told) if classes is None else tuple(classes)
        pictures = [
            _picture(name, root, listed[name], splits, known, archive.where(name))
            for name, root in parsed
        ]
        labelled = {(p.folder, PurePosixPath(p.file).stem) for p in pictures}
        images = {_inside(name, "JPEGImages") for name in archive.images}
        more = [image for image in sorted(images) if _key(image) not in labelled]
        if len(set(more) - set(unseen)):
            told.append(f"{len(set(more) - set(unseen))} images have no XML: not looked at.")
        for image in dict.fromkeys([*unseen, *more]):
            folder, file = split_path(image, path.name)
            pictures.append(Picture(file, FrameState.UNSEEN, folder=folder))
        return checked(LabelledPictures(known, tuple(pictures), tuple(told)), path.name)


def _key(path: str) -> tuple[str, str]:
    pure = PurePosixPath(path)
    return ("" if str(pure.parent) == "." else str(pure.parent)), pure.stem


def _inside(name: str, folder: str) -> str:
    """The path below `folder`, wherever in the archive that is."""
    parts = PurePosixPath(name).parts
    return "/".join(parts[parts.index(folder) + 1 :] if folder in parts[:-1] else parts)


def _sets(archive: Archive) -> tuple[dict[str, str], list[str]]:
    """The split of each image (path without ending), and the images that nobody looked at."""
    splits: dict[str, str] = {}
    unseen: list[str] = []
    for name in archive.texts(".txt"):
        if SETS not in name and not name.startswith(SETS):
            continue
        stem = PurePosixPath(name).stem
        lines = [line.strip() for line in archive.text(name).splitlines()]
        if stem == UNSEEN:
            unseen = [line for line in lines if line]
        elif stem in {"train", "val", "test", "dropped"}:
            splits.update(dict.fromkeys(lines, stem))
    return splits, unseen


def _objects(root: Element, where: str) -> tuple[_Object, ...]:
    found = []
    for position, item in enumerate(root.iterfind("object"), start=1):
        line = f"{where}: object {position}"
        name, box = (item.findtext("name") or "").strip(), item.find("bndbox")
        if not name or box is None:
            raise LabelInvalid(f"{line} needs a name and a bndbox. Export boxes.")
        found.append(
            _Object(name, tuple(number(box.findtext(tag), f"{line}: {tag}") for tag in EDGES), line)
        )
    return tuple(found)


def _classes(
    archive: Archive, listed: dict[str, tuple[_Object, ...]], told: list[str]
) -> tuple[str, ...]:
    for name in archive.names:
        if PurePosixPath(name).name == LABELMAP:
            lines = [line for line in archive.text(name).splitlines() if not line.startswith("# ")]
            named = [line.rsplit(":", 3)[0] for line in lines if line.strip()]
            used = {each.name for objects in listed.values() for each in objects}
            kept = [n for n in named if n != "background" or n in used]
            return checked_names(kept, archive.where(name))
    names = sorted({each.name for objects in listed.values() for each in objects})
    told.append("There is no labelmap.txt: the classes are numbered by name.")
    return checked_names(names, archive.path.name)


def _picture(
    name: str,
    root: Element,
    objects: tuple[_Object, ...],
    splits: dict[str, str],
    classes: Sequence[str],
    where: str,
) -> Picture:
    inside = PurePosixPath(_inside(name, "Annotations"))
    filename = (root.findtext("filename") or "").strip()
    _, file = split_path(filename or inside.with_suffix(".jpg").name, where)
    if PurePosixPath(file).stem != inside.stem:
        raise LabelInvalid(
            f"{where} says that it is of {file}: which image does it mean? Give both one name."
        )
    folder = "" if str(inside.parent) == "." else str(inside.parent)
    split = splits.get(inside.with_suffix("").as_posix(), "")
    size = root.find("size")
    width = height = 0
    if objects or (size is not None and size.findtext("width") not in {None, "0"}):
        texts = (None, None) if size is None else (size.findtext("width"), size.findtext("height"))
        width, height = checked_size(*texts, where)
    boxes: tuple[Box, ...] = tuple(
        pixel_box(
            class_number(each.name, classes, each.where),
            each.edges,
            (width, height),
            classes,
            each.where,
        )
        for each in objects
    )
    state = FrameState.LABELLED if boxes else FrameState.EMPTY
    return Picture(file, state, boxes, folder=folder, split=split, width=width, height=height)
