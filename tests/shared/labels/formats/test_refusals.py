"""Files that must not be believed: each is refused with a sentence that says where."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from shared.labels.boxes import FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.formats import archive
from shared.labels.formats.table import FORMATS, read

YAML = "names: [mouse]\n"
IMAGE = {"id": 1, "file_name": "1.jpg", "width": 100, "height": 100}


def packed(folder: Path, **members: str | bytes) -> Path:
    path = folder / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def coco(folder: Path, *, category: int = 1, image: Any = IMAGE, bbox: Any = (1, 1, 9, 9)) -> Path:
    path = folder / "labels.json"
    document = {
        "images": [image],
        "categories": [{"id": 1, "name": "mouse"}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": category, "bbox": list(bbox)}],
    }
    path.write_text(json.dumps(document))
    return path


def cvat(folder: Path, inside: str, before: str = "") -> Path:
    path = folder / "annotations.xml"
    labels = "<labels><label><name>mouse</name></label></labels>"
    head = f"{before}<annotations><meta><task>{labels}</task></meta>"
    path.write_text(
        f"{head}<image id='0' name='1.jpg' width='100' height='100'>{inside}</image></annotations>"
    )
    return path


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil.txt", "labels/../../evil.txt", "C:/evil.txt", "a\\b.txt"]
)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_path_out_of_the_archive(kind: str, name: str, tmp_path: Path):
    path = packed(tmp_path, **{"data.yaml": YAML, name: "0 0.5 0.5 0.1 0.1"})
    with pytest.raises(LabelInvalid, match="is not a plain path"):
        read(kind, path)


def test_a_link(tmp_path: Path):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as file:
        entry = zipfile.ZipInfo("labels/1.txt")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(LabelInvalid, match="is a link"):
        read("yolo", path)


def test_a_bomb_by_its_ratio(tmp_path: Path):
    path = packed(tmp_path, **{"data.yaml": YAML, "labels/1.txt": b" " * (8 << 20)})
    with pytest.raises(LabelInvalid, match="packs so well"):
        read("yolo", path)


def test_a_member_that_lies_about_its_size(tmp_path: Path):
    path = packed(tmp_path, **{"annotations.xml": "<annotations>" + " " * 60_000})
    content = path.read_bytes()
    size = (13 + 60_000).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (40).to_bytes(4, "little")))
    with pytest.raises(LabelInvalid):
        read("cvat", path)


def test_texts_beyond_what_labels_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MAX_READ_BYTES", 100)
    line = "0 0.5 0.5 0.125 0.125\n"
    path = packed(tmp_path, **{"data.yaml": YAML, "1.txt": line * 3, "2.txt": line * 3})
    with pytest.raises(LabelInvalid, match=r"data.zip: 2.txt is over \d+ bytes"):
        read("yolo", path)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    path = packed(tmp_path, **{"data.yaml": YAML, "1.txt": "", "2.txt": ""})
    with pytest.raises(LabelInvalid, match="3 files; at most 2"):
        read("yolo", path)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"PK\x03\x04 cut", b"[[[[", b"<a><b>"])
def test_rubbish(kind: str, content: bytes, tmp_path: Path):
    path = tmp_path / "labels.bin"
    path.write_bytes(content)
    with pytest.raises(LabelInvalid):
        read(kind, path)


def test_json_so_deep_that_the_stack_would_end(tmp_path: Path):
    path = tmp_path / "labels.json"
    path.write_text("[" * 200_000)
    with pytest.raises(LabelInvalid, match="not valid JSON"):
        read("label_studio", path)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"nan"', "null", "true", "[1]"])
def test_numbers_that_are_none(value: str, tmp_path: Path):
    path = coco(tmp_path)
    path.write_text(path.read_text().replace('"bbox": [1,', f'"bbox": [{value},'))
    with pytest.raises(LabelInvalid, match=r"labels.json.*not a (number|box)|is not a number"):
        read("coco", path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"category": 3}, "annotation 7 has the category 3, which is not there"),
        (
            {"bbox": (90, 1, 20, 9)},
            r"annotation 7: .*\(110, 10\) is no box within an image of 100 x",
        ),
        ({"bbox": (1, 1, 0, 9)}, "annotation 7: width is 0"),
        ({"bbox": (1, 1, -5, 9)}, r"annotation 7: .* no box within"),
        ({"bbox": (1, 1, 9)}, r"`bbox` is not \[x, y, width, height\]"),
        ({"image": {**IMAGE, "width": 10**9}}, "not the size of an image"),
        ({"image": {**IMAGE, "width": 0}}, "not the size of an image"),
        ({"image": {**IMAGE, "id": 2}}, "image 1, which is not there"),
        ({"image": {**IMAGE, "file_name": "../1.jpg"}}, "is not a plain path"),
        ({"image": {**IMAGE, "state": "empty"}}, "said to be 'empty', but has boxes"),
    ],
)
def test_coco_that_cannot_be_meant(change: dict[str, Any], sentence: str, tmp_path: Path):
    with pytest.raises(LabelInvalid, match=sentence):
        read("coco", coco(tmp_path, **change))


def test_a_class_that_the_task_does_not_have(tmp_path: Path):
    with pytest.raises(LabelInvalid, match=r"no class 'mouse'; the classes are fly, rat"):
        read("coco", coco(tmp_path), ("fly", "rat"))


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1/"> %x;]>',
    ],
)
@pytest.mark.parametrize("kind", ["cvat", "voc"])
def test_xml_with_entities(kind: str, before: str, tmp_path: Path):
    with pytest.raises(LabelInvalid, match="document type or entities"):
        read(kind, cvat(tmp_path, "", before))


@pytest.mark.parametrize(
    ("inside", "sentence"),
    [
        ("<polygon label='mouse' points='1,1'/>", "no boxes"),
        ("<box label='cat' xtl='1' ytl='1' xbr='9' ybr='9'/>", "no class 'cat'"),
        ("<box label='mouse' xtl='nan' ytl='1' xbr='9' ybr='9'/>", "is not a number"),
        ("<box label='mouse' xtl='x' ytl='1' xbr='9' ybr='9'/>", "xtl: 'x' is not a number"),
        ("<box label='mouse' xtl='1' ytl='1' xbr='900' ybr='9'/>", "no box within"),
        ("<box label='mouse' xtl='1' ytl='1' xbr='9' ybr='9' rotation='30'/>", "rotated"),
        ("</image><image id='1' name='1.png' width='9' height='9'>", "1.png is there twice"),
        ("<a>" * 80 + "</a>" * 80, "inside each other"),
        ("</image><track id='0'/><image id='1' name='2.jpg' width='9' height='9'>", "tracks"),
    ],
)
def test_cvat_that_cannot_be_meant(inside: str, sentence: str, tmp_path: Path):
    with pytest.raises(LabelInvalid, match=sentence):
        read("cvat", cvat(tmp_path, inside))


def test_two_images_of_one_name(tmp_path: Path):
    path = packed(tmp_path, **{"data.yaml": YAML, "images/train/1.jpg": "", "images/val/1.jpg": ""})
    with pytest.raises(LabelInvalid, match=r"data.zip: the image 1.jpg is there twice"):
        read("yolo", path)


def test_class_numbers_without_names(tmp_path: Path):
    path = packed(tmp_path, **{"labels/1.txt": "0 0.5 0.5 0.1 0.1"})
    with pytest.raises(LabelInvalid, match=r"neither data.yaml nor classes.txt"):
        read("yolo", path)


def test_label_studio_takes_the_newest_annotation_and_knows_skips(tmp_path: Path):
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["mouse"]}
    box = {"type": "rectanglelabels", "value": value}
    tasks = [
        {
            "data": {"image": "/data/upload/3/0a1b2c3d-00000012.jpg"},
            "annotations": [
                {"id": 1, "result": [box, box], "updated_at": "2026-01-01"},
                {"id": 2, "result": [box], "updated_at": "2026-01-02"},
                {"id": 3, "result": [], "was_cancelled": True, "updated_at": "2026-01-03"},
            ],
        },
        {"data": {"image": "http://h/13.jpg?sig=1"}, "annotations": [{"was_cancelled": True}]},
        {"data": {"image": "14.jpg"}, "annotations": [{"result": []}]},
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    data = read("label_studio", path)
    assert [picture.file for picture in data.pictures] == ["00000012.jpg", "13.jpg", "14.jpg"]
    assert [p.state for p in data.pictures] == [
        FrameState.LABELLED,
        FrameState.UNSEEN,
        FrameState.EMPTY,
    ]
    assert len(data.pictures[0].boxes) == 1
    assert any("1 tasks were skipped" in sentence for sentence in data.told)


def test_what_a_format_cannot_say_is_told(tmp_path: Path):
    image = packed(tmp_path, **{"data.yaml": YAML, "images/train/1.jpg": ""})
    data = read("yolo", image)
    assert data.pictures[0].state is FrameState.UNSEEN
    assert "taken as not looked at, not as empty" in data.told[0]


def test_a_single_text_and_a_single_xml(tmp_path: Path):
    text = tmp_path / "1.txt"
    text.write_text("0 0.5 0.5 0.1 0.1")
    with pytest.raises(LabelInvalid, match=r"1.txt is no zip archive"):
        read("yolo", text, ("mouse",))
    xml = tmp_path / "labels.xml"
    xml.write_text("<annotation><filename>7.png</filename></annotation>")
    (picture,) = read("voc", xml, ("mouse",)).pictures
    assert (picture.file, picture.state) == ("7.png", FrameState.EMPTY)
