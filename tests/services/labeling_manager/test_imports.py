"""Labels that were made elsewhere, through the real door."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.db.learning_models import LabelDraft, LabelSheet
from shared.db.models import Labeling
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
    client: httpx.Client, task: str, content: bytes, name: str = "yolo", **query: Any
) -> httpx.Response:
    files = {"file": ("labels.zip", content, "application/zip")}
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


def test_labels_of_other_images(ann: httpx.Client, task: str):
    out = io.BytesIO()
    picture = Picture("other.jpg", FrameState.EMPTY, width=64, height=48)
    write("coco", LabelledPictures(("mouse",), (picture,)), out)
    answer = send(ann, task, out.getvalue(), "coco")
    assert answer.status_code == 409
    assert "None of the 1 images in the file is a labelled frame" in answer.json()["detail"]


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
