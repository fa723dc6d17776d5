"""Labels that were made elsewhere, through the real door."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.labeling_manager.imports_api import own_name
from shared.db.learning_models import LabelDraft, LabelSheet
from shared.db.models import Labeling, Task
from shared.labels.boxes import Box, FrameState
from shared.labels.folder import read_label_folder
from shared.labels.formats.dataset import LabelledPictures, Picture
from shared.labels.formats.table import FORMATS, write
from shared.storage.trees import fetch_folder
from tests.shared.web.door import Door

BOX = Box(0, 0.5, 0.5, 0.25, 0.125)
NAMES = [f"{n:08d}.jpg" for n in (0, 10, 20, 30)]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture(scope="module")
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


@pytest.fixture
def task(door: Door) -> str:
    task_id = door.submit(classes=["fly", "mouse"])
    rows = [{"frame": 10 * i, "file": name, "time_s": i} for i, name in enumerate(NAMES)]
    folder = door.platform.storage.local(f"frames/{task_id}")
    folder.mkdir(parents=True)
    door.keep(f"frames/{task_id}/frames.json", json.dumps({"frames": rows}).encode())
    return task_id


def packed(name: str = "yolo") -> bytes:
    """Two frames of the task, and a foreign image; the classes in another order."""
    pictures = (
        Picture("00000000.jpg", FrameState.LABELLED, (BOX,), width=64, height=48),
        Picture("00000010.jpg", FrameState.EMPTY, width=64, height=48),
        Picture("00000020.jpg", FrameState.UNSEEN, width=64, height=48),
        Picture("holiday.jpg", FrameState.LABELLED, (BOX,), width=64, height=48),
    )
    out = io.BytesIO()
    write(name, LabelledPictures(("mouse", "fly"), pictures), out)
    return out.getvalue()


def send(
    client: httpx.Client,
    task: str,
    content: bytes,
    name: str = "yolo",
    *,
    file: str = "labels.zip",
    **query: Any,
) -> httpx.Response:
    files = {"file": (file, content, "application/octet-stream")}
    return client.post(f"/labels/{task}/import", params={"format": name, **query}, files=files)


@pytest.mark.parametrize("name", FORMATS)
def test_looking_first_changes_nothing(name: str, door: Door, ann: httpx.Client, task: str):
    view = send(ann, task, packed(name), name).raise_for_status().json()
    assert view["dry_run"]
    assert (view["labelled"], view["empty"], view["boxes"]) == (1, 1, 1)
    assert (view["left"], view["changed"], view["stored"]) == (2, 2, 0)
    assert view["foreign_names"] == ["holiday.jpg"]
    assert not door.platform.storage.list(f"labels/{task}")


def test_labels_are_stored_where_training_finds_them(door: Door, ann: httpx.Client, task: str):
    for expected in (2, 0):
        view = send(ann, task, packed(), dry_run=False).raise_for_status().json()
        assert (view["stored"], view["changed"]) == (2, expected)
    storage = door.platform.storage
    folder = fetch_folder(storage, f"labels/{task}")
    labels = read_label_folder(folder, storage.fetch(f"frames/{task}/frames.json"))
    assert labels.classes == ("fly", "mouse")
    assert [f.state.value for f in labels.frames] == ["labelled", "empty", "unseen", "unseen"]
    assert labels.frames[0].boxes[0].class_id == 1


def test_many_who_import_at_once_lose_nothing(door: Door, ann: httpx.Client, task: str):
    """Each brings another frame, and an animal of its own."""
    size = {"width": 64, "height": 48}

    def one(name: str) -> bytes:
        box = replace(BOX, identity=int(name[:8]))
        out = io.BytesIO()
        picture = Picture(name, FrameState.LABELLED, (box,), **size)
        write("coco", LabelledPictures(("mouse", "fly"), (picture,)), out)
        return out.getvalue()

    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            sent = [
                pool.submit(send, ann, task, one(name), "coco", dry_run=dry)
                for name in NAMES
                for dry in (False, True)
            ]
        assert [each.result().status_code for each in sent] == [200] * 8
    storage = door.platform.storage
    frames = storage.fetch(f"frames/{task}/frames.json")
    labels = read_label_folder(fetch_folder(storage, f"labels/{task}"), frames)
    assert [box.identity for frame in labels.frames for box in frame.boxes] == [0, 10, 20, 30]


def test_labels_on_their_way_from_the_tool_are_not_overtaken(
    door: Door, ann: httpx.Client, task: str
):
    with door.platform.sessions.begin() as session:
        session.add(Labeling(task_id=task, engine="folder", ref=task, state="DONE"))
    refused = send(ann, task, packed(), dry_run=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "LabelingEnded")
    with door.platform.sessions.begin() as session:
        row = session.get_one(Task, task)
        row.context = {**row.context, "labeling_path": f"labels/{task}"}
    assert send(ann, task, packed(), dry_run=False).raise_for_status().json()["stored"] == 2


def test_an_open_labeling_in_the_folder_gets_texts(door: Door, ann: httpx.Client, task: str):
    with door.platform.sessions.begin() as session:
        session.add(Labeling(task_id=task, engine="folder", ref=task, state="OPEN"))
    assert send(ann, task, packed(), dry_run=False).raise_for_status().json()["stored"] == 2
    folder = door.platform.storage.local(f"labels/{task}/work") / "labels"
    assert (folder / "00000000.txt").read_text() == "1 0.500000 0.500000 0.250000 0.125000\n"
    assert (folder / "00000010.txt").read_text() == ""


def test_the_built_in_labeler_shows_them(door: Door, ann: httpx.Client, task: str):
    with door.platform.sessions.begin() as session:
        session.add(Labeling(task_id=task, engine="builtin", ref=task, state="OPEN"))
        session.add(LabelSheet(task_id=task, classes=["fly", "mouse"]))
        session.flush()
        for i, name in enumerate(NAMES):
            session.add(LabelDraft(task_id=task, frame=10 * i, file=name, key=f"frames/x/{name}"))
    assert send(ann, task, packed(), dry_run=False).raise_for_status().json()["stored"] == 2
    with door.platform.reads() as session:
        first, second, third = (session.get_one(LabelDraft, (task, n)) for n in (0, 10, 20))
    assert (first.state, first.boxes, first.revision) == (
        "labelled",
        [[1, 0.5, 0.5, 0.25, 0.125]],
        1,
    )
    assert (second.state, second.boxes) == ("empty", [])
    assert third.state == "unseen"


def test_an_outside_tool_keeps_what_it_has(door: Door, ann: httpx.Client, task: str):
    with door.platform.sessions.begin() as session:
        session.add(Labeling(task_id=task, engine="cvat", ref=task, state="OPEN"))
    answer = send(ann, task, packed())
    assert answer.status_code == 409
    assert "being labelled in cvat" in answer.json()["detail"]


def test_a_stranger_has_no_such_task(door: Door, task: str):
    with door.client("bob") as bob:
        assert send(bob, task, packed()).status_code == 404


@pytest.mark.parametrize("content", [b"PK\x03\x04 rubbish", b"", b"no archive"])
@pytest.mark.parametrize("name", FORMATS)
def test_what_cannot_be_read(name: str, content: bytes, ann: httpx.Client, task: str):
    answer = send(ann, task, content, name)
    assert answer.status_code == 422
    assert "labels.zip is no zip archive" in answer.json()["detail"]


def studio(**changes: Any) -> list[dict[str, Any]]:
    """A task of Label Studio with one box on a frame of ours."""
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["fly"]}
    box = {"type": "rectanglelabels", "value": value, **changes}
    return [{"id": 1, "data": {"file": "00000000.jpg"}, "annotations": [{"result": [box]}]}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("label_studio", studio(type=["rectanglelabels"])),
        ("label_studio", studio(type={})),
        ("label_studio", studio(type="\ud800")),
        ("label_studio", [{"id": "\udfff"}]),
        ("coco", {"images": [], "annotations": [{"id": 1, "image_id": "\ud800"}]}),
        ("coco", {"images": [{"id": 1, "file_name": "a.jpg", "width": "\ud83d", "height": 1}]}),
    ],
)
def test_json_that_no_tool_writes(name: str, content: Any, ann: httpx.Client, task: str):
    answer = send(ann, task, json.dumps(content).encode(), name, file="labels.json")
    assert (answer.status_code, answer.json()["code"]) == (422, "LabelInvalid")
    assert "labels.json" in answer.json()["detail"]


def test_boxes_of_either_kind_of_label_studio_count(ann: httpx.Client, task: str):
    """Emoji are two halves in JSON, and no reason to refuse anything."""
    content = json.dumps(studio(type="rectangle", note="\N{MOUSE FACE}")).encode()
    view = send(ann, task, content, "label_studio", file="labels.json").raise_for_status().json()
    assert (view["labelled"], view["empty"], view["boxes"]) == (1, 0, 1)


def zipped(kind: int = zipfile.ZIP_DEFLATED, **members: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


TEXTS = {"data.yaml": "names: [fly, mouse]", "labels/00000000.txt": "0 0.5 0.5 0.25 0.125"}


@pytest.mark.parametrize("number", ["0x" + "f" * 4000, "1:" + "59:" * 3000 + "1"])
def test_a_class_with_a_number_that_nobody_can_write(number: str, ann: httpx.Client, task: str):
    answer = send(ann, task, zipped(**TEXTS | {"data.yaml": f"names: [{number}]"}))
    assert answer.status_code == 422
    assert "no usable `names`" in answer.json()["detail"]


def test_an_archive_of_lzma_that_somebody_broke(ann: httpx.Client, task: str):
    whole = zipped(zipfile.ZIP_LZMA, **TEXTS)
    assert send(ann, task, whole).is_success
    for at in range(48, 56):  # the head of the first member's content
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        answer = send(ann, task, bytes(broken))
        assert answer.status_code == 422, at
        assert "labels.zip" in answer.json()["detail"]


def test_two_texts_of_one_image(ann: httpx.Client, task: str):
    again = {"b/labels/00000000.txt": "", "a/labels/00000000.txt": ""}
    answer = send(ann, task, zipped(**TEXTS | again))
    assert answer.status_code == 422
    assert "are of one image" in answer.json()["detail"]


def test_what_macos_adds_to_an_archive(ann: httpx.Client, task: str):
    shadows = {f"__MACOSX/{name}": b"\x00\x05\x16\x07\xff" for name in TEXTS}
    view = send(ann, task, zipped(**shadows, **TEXTS)).raise_for_status().json()
    assert (view["labelled"], view["foreign"]) == (1, 0)


@pytest.mark.parametrize("encoding", ["bogus", "euc-kr", "utf-16"])
def test_xml_that_declares_an_encoding(encoding: str, ann: httpx.Client, task: str):
    """The text is read as UTF-8; what it says of itself cannot matter."""
    size = "<size><width>64</width><height>48</height></size>"
    inside = f"<annotation><filename>00000000.jpg</filename>{size}</annotation>"
    text = f'<?xml version="1.0" encoding="{encoding}"?>{inside}'
    answer = send(ann, task, zipped(**{"Annotations/00000000.xml": text}), "voc")
    assert answer.raise_for_status().json()["empty"] == 1


XML = (
    "<annotation>{named}<size><width>64</width><height>48</height></size><object><name>fly</name>"
    "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"
)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("00000010.xml", ""),
        ("00000010.XML", "<filename/>"),
        ("C:\\labels\\00000010.xml", "<filename> </filename>"),
        ("anything.xml", "<filename>00000010.png</filename>"),
    ],
)
def test_one_xml_is_of_the_image_that_it_names_or_is_named_like(
    file: str, named: str, ann: httpx.Client, task: str
):
    answer = send(ann, task, XML.format(named=named).encode(), "voc", file=file)
    view = answer.raise_for_status().json()
    assert (view["labelled"], view["boxes"], view["foreign"]) == (1, 1, 0)


def test_an_xml_of_another_image_is_named(ann: httpx.Client, task: str):
    answer = send(ann, task, XML.format(named="").encode(), "voc", file="holiday (1).xml")
    assert (answer.status_code, answer.json()["code"]) == (409, "NothingMatched")
    assert "(as holiday (1).jpg)" in answer.json()["detail"]


NAMED = {
    "a b (1).xml": "a b (1).xml",
    "../../etc/passwd": "passwd",
    "C:\\x\\쥐.zip": "쥐.zip",
    "..": "labels",
    "": "labels",
    "a/": "labels",
    ".hidden.json": "labels.json",
    "nul\0.zip": "labels.zip",
    "x" * 300 + ".xml": "labels.xml",
    "half \ud800.txt": "labels.txt",
}


@pytest.mark.parametrize("given", NAMED, ids=ascii)
def test_a_file_keeps_its_name_where_that_is_harmless(given: str):
    assert own_name(given) == NAMED[given]


def test_labels_of_other_images(ann: httpx.Client, task: str):
    out = io.BytesIO()
    picture = Picture("other.jpg", FrameState.EMPTY, width=64, height=48)
    write("coco", LabelledPictures(("mouse",), (picture,)), out)
    answer = send(ann, task, out.getvalue(), "coco")
    assert (answer.status_code, answer.json()["code"]) == (409, "NothingMatched")
    told = answer.json()["detail"]
    assert told.startswith("None of the 1 images in the file (as other.jpg) is a frame of task")
    assert f"for example {NAMES[0]}" in told


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_labels_of_nothing(name: str, ann: httpx.Client, task: str):
    """The images are the task's, so nobody has to rename anything."""
    out = io.BytesIO()
    pictures = [
        Picture(file, FrameState.UNSEEN, width=64, height=48, content=bytes)
        for file in (*NAMES[:2], "other.jpg")
    ]
    write(name, LabelledPictures(("mouse",), tuple(pictures)), out)
    answer = send(ann, task, out.getvalue(), name)
    assert (answer.status_code, answer.json()["code"]) == (409, "NothingLookedAt")
    told = answer.json()["detail"]
    assert told.startswith("2 of the 3 images in the file are frames of task")
    assert "annotations" in told
    assert "ame the images" not in told


def test_a_class_that_the_task_does_not_have(ann: httpx.Client, task: str):
    out = io.BytesIO()
    picture = Picture("00000000.jpg", FrameState.LABELLED, (BOX,), width=64, height=48)
    write("cvat", LabelledPictures(("rat",), (picture,)), out)
    answer = send(ann, task, out.getvalue(), "cvat")
    assert answer.status_code == 422
    assert "no class 'rat'; the classes are fly, mouse" in answer.json()["detail"]


def test_a_body_that_is_no_form(ann: httpx.Client, task: str):
    answer = ann.post(f"/labels/{task}/import?format=yolo", content=b"x")
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json()["detail"]
