"""CVAT as documented: the contract, and what people do there. No live CVAT was run."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.labeling_manager.cvat_webhook_api import signed
from services.labeling_manager.engines import cvat_client
from services.labeling_manager.engines.cvat import CvatEngine
from services.labeling_manager.engines.port import LabelingEngine
from services.labeling_manager.errors import (
    CvatAccountRefused,
    CvatNotConnected,
    CvatRefuses,
    NothingDrawn,
    OtherClasses,
    ProjectGone,
)
from shared.errors import Unavailable
from shared.labels.boxes import Box, FrameState
from shared.setting_groups.teaching import LabelingSettings
from tests.contracts.labeling import BOX, SPEC, LabelingContract, images, sure
from tests.services.labeling_manager.conftest import platform
from tests.services.labeling_manager.cvat_server import SIZE, TOKEN, CvatServer
from tests.shared.web.door import Door


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CvatServer]:
    monkeypatch.setattr(cvat_client, "LOOK_S", 0.01)
    running = CvatServer()
    yield running
    running.close()
    assert not running.wrong, "requests that CVAT's documentation does not know"


@pytest.fixture
def make_engine(tmp_path: Path, server: CvatServer) -> Callable[..., CvatEngine]:
    def make(**more: Any) -> CvatEngine:
        chosen = {"cvat_url": server.url, "cvat_token": SecretStr(TOKEN), "cvat_job_frames": 1}
        data = tmp_path / "data"
        return CvatEngine.from_platform(
            platform(data, **{**chosen, "cvat_organisation": "lab", **more})
        )

    return make


@pytest.fixture
def engine(make_engine: Callable[..., CvatEngine]) -> CvatEngine:
    return make_engine()


def rectangle(server: CvatServer, box: Box, frame: int) -> dict[str, Any]:
    """As a person draws it."""
    width, height = SIZE
    edges = (box.cx - box.w / 2, box.cy - box.h / 2, box.cx + box.w / 2, box.cy + box.h / 2)
    points = [e * side for e, side in zip(edges, (width, height, width, height), strict=True)]
    return {
        "type": "rectangle",
        "frame": frame,
        "label_id": server.label_id(SPEC.classes[box.class_id]),
        "points": points,
        "rotation": 0.0,
        "source": "manual",
    }


@pytest.fixture
def annotate(server: CvatServer) -> Callable[..., None]:
    def draw(engine: LabelingEngine, ref: str, frame: int, boxes: Sequence[Box]) -> None:
        del engine, ref
        file = f"{frame:08d}.jpg"
        task, index = server.place(file)
        task.shapes = [shape for shape in task.shapes if shape["frame"] != index]
        task.shapes += [rectangle(server, box, index) for box in boxes]
        server.finish(file)

    return draw


class TestCvat(LabelingContract):
    """The promises of every engine."""


def test_suggestions_say_that_a_model_drew_them(
    engine: CvatEngine, server: CvatServer, tmp_path: Path
):
    ref = engine.open(SPEC)
    faint, lost = sure(BOX, 0.1), sure(replace(BOX, cx=5.0))
    engine.push(ref, images(tmp_path / "f", [0, 4]), {4: [sure(BOX, 0.71), faint, lost]})
    task, index = server.place("00000004.jpg")
    (shape,) = task.shapes
    assert (shape["frame"], shape["source"], shape["score"]) == (index, "auto", 0.71)
    assert shape["points"] == [240.0, 210.0, 400.0, 270.0]
    assert server.labels[shape["label_id"]]["name"] == "mouse"
    assert [frame.state for frame in engine.pull(ref).frames] == [FrameState.UNSEEN] * 2


def test_many_images_travel_in_several_requests(
    engine: CvatEngine, server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cvat_client, "FILES_AT_ONCE", 3)
    monkeypatch.setattr("services.labeling_manager.engines.cvat.TASK_FRAMES", 8)
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", range(10)), {})
    assert [len(task.names) for task in server.tasks.values()] == [8, 2]
    posts = [call for call in server.calls if call.endswith("/data/")]
    assert len(posts) == (1 + 3 + 1) + (1 + 1 + 1)
    assert engine.status(ref).total == 10


def test_a_push_that_was_killed_is_made_again(
    engine: CvatEngine, server: CvatServer, tmp_path: Path, annotate: Callable[..., None]
):
    ref = engine.open(SPEC)
    frames = images(tmp_path / "f", [0, 5])
    server.failing = "Not enough space"
    with pytest.raises(CvatRefuses, match="Not enough space"):
        engine.push(ref, frames, {})
    server.failing = ""
    engine.push(ref, frames, {5: [sure(BOX)]})
    assert [task.name for task in server.tasks.values()] == ["Actverse task-1 part 1"]
    annotate(engine, ref, 0, [])
    annotate(engine, ref, 5, [BOX])
    assert [f.state for f in engine.pull(ref).frames] == [FrameState.EMPTY, FrameState.LABELLED]


def test_a_deleted_frame_is_skipped(
    engine: CvatEngine, server: CvatServer, tmp_path: Path, annotate: Callable[..., None]
):
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", [0, 5]), {})
    annotate(engine, ref, 0, [BOX])
    task, index = server.place("00000005.jpg")
    task.deleted.append(index)
    status = engine.status(ref)
    assert (status.done, status.skipped, status.complete) == (1, 1, True)
    assert [f.state for f in engine.pull(ref).frames] == [FrameState.LABELLED, FrameState.UNSEEN]
    task.deleted = [0, 1]
    with pytest.raises(NothingDrawn):
        engine.pull(ref)


@pytest.mark.parametrize(
    "other", [{"stage": "validation"}, {"state": "in progress"}, {"state": "rejected"}]
)
def test_only_accepted_jobs_count(
    engine: CvatEngine, server: CvatServer, tmp_path: Path, other: dict[str, str]
):
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", [0]), {0: [sure(BOX)]})
    server.finish("00000000.jpg", **other)
    assert (engine.status(ref).done, engine.status(ref).complete) == (0, False)
    assert engine.pull(ref).frames[0].state is FrameState.UNSEEN
    server.finish("00000000.jpg")
    status = engine.status(ref)
    assert status.complete
    assert status.rate > 0
    assert status.where.startswith(f"{server.url}/projects/")


def test_a_track_is_followed_between_its_key_frames(
    make_engine: Callable[..., CvatEngine], server: CvatServer, tmp_path: Path
):
    engine = make_engine(cvat_job_frames=10)
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", range(6)), {})
    task, _ = server.place("00000000.jpg")
    start = rectangle(server, replace(BOX, cx=0.25), 0) | {"outside": False}
    end = rectangle(server, replace(BOX, cx=0.75), 4) | {"outside": False}
    gone = {**end, "frame": 5, "outside": True}
    label = server.label_id("mouse")
    task.tracks = [{"id": 41, "label_id": label, "frame": 0, "shapes": [end, start, gone]}]
    server.finish("00000000.jpg")
    frames = engine.pull(ref).frames
    found = [frame.boxes[0].cx for frame in frames[:5]]
    assert found == pytest.approx([0.25, 0.375, 0.5, 0.625, 0.75], abs=1e-5)
    assert frames[5].state is FrameState.EMPTY
    assert {frame.boxes[0].identity for frame in frames[:5]} == {41}


def test_a_track_of_one_job_of_several_is_no_identity(
    make_engine: Callable[..., CvatEngine], server: CvatServer, tmp_path: Path
):
    engine = make_engine(cvat_job_frames=3)
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", range(6)), {})
    task, _ = server.place("00000000.jpg")
    key = rectangle(server, BOX, 0) | {"outside": False}
    task.tracks = [
        {"id": 41, "label_id": server.label_id("mouse"), "frame": 0, "shapes": [key]},
    ]
    for name in ("00000000.jpg", "00000005.jpg"):
        server.finish(name)
    frames = engine.pull(ref).frames
    assert [len(frame.boxes) for frame in frames] == [1, 1, 1, 0, 0, 0]
    assert {box.identity for frame in frames for box in frame.boxes} == {None}


def test_a_turned_rectangle_becomes_the_upright_one_around_it(
    engine: CvatEngine, server: CvatServer, tmp_path: Path
):
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", [0]), {})
    task, _ = server.place("00000000.jpg")
    task.shapes = [{**rectangle(server, BOX, 0), "rotation": 90.0}]
    server.finish("00000000.jpg")
    (box,) = engine.pull(ref).frames[0].boxes
    assert (box.w * SIZE[0], box.h * SIZE[1]) == pytest.approx((60, 160), abs=0.01)


def test_other_shapes_are_not_left_out_silently(
    engine: CvatEngine, server: CvatServer, tmp_path: Path
):
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", [0]), {})
    task, _ = server.place("00000000.jpg")
    task.shapes = [{**rectangle(server, BOX, 0), "type": "polygon", "points": [1, 1, 2, 2, 3, 3]}]
    server.finish("00000000.jpg")
    with pytest.raises(CvatRefuses, match="a polygon is drawn there"):
        engine.pull(ref)


def test_a_renamed_label_holds_the_labeling_up_with_a_sentence(
    engine: CvatEngine, server: CvatServer, tmp_path: Path, annotate: Callable[..., None]
):
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "f", [0]), {})
    annotate(engine, ref, 0, [BOX])
    server.labels[server.label_id("mouse")]["name"] = "rat"
    status = engine.status(ref)
    assert not status.complete
    assert "labels of the project are fly, rat" in status.problems[0]
    with pytest.raises(OtherClasses):
        engine.pull(ref)


def test_frames_and_projects_that_somebody_removed(
    engine: CvatEngine, server: CvatServer, tmp_path: Path
):
    ref = engine.open(SPEC)
    frames = images(tmp_path / "f", [0, 1])
    engine.push(ref, frames, {})
    server.tasks.clear()
    status = engine.status(ref)
    assert not status.complete
    assert "2 frames are no longer in CVAT" in status.problems[0]
    engine.push(ref, frames, {})
    assert not engine.status(ref).problems
    server.projects.clear()
    with pytest.raises(ProjectGone):
        engine.status(ref)


def test_a_wrong_token_is_said_without_telling_it(make_engine: Callable[..., CvatEngine]):
    engine = make_engine(cvat_token=SecretStr("secret-that-is-wrong"))
    with pytest.raises(CvatAccountRefused, match="CVAT_TOKEN") as refused:
        engine.open(SPEC)
    assert "secret-that-is-wrong" not in str(refused.value)


def test_a_cvat_that_is_away_is_tried_again(
    make_engine: Callable[..., CvatEngine], server: CvatServer
):
    engine = make_engine()
    engine.open(SPEC)
    server.close()
    with pytest.raises(Unavailable, match="does not answer"):
        engine.status("task-1")


def test_no_cvat_is_connected(tmp_path: Path):
    for more in ({}, {"cvat_url": "file:///etc", "cvat_token": SecretStr(TOKEN)}):
        with pytest.raises(CvatNotConnected):
            CvatEngine.from_platform(platform(tmp_path, **more)).open(SPEC)


def test_a_user_and_a_password_do_too():
    login = SecretStr("ann:pw:with:colons")
    settings = LabelingSettings(cvat_url="http://cvat.example", cvat_login=login)
    with cvat_client.Cvat.of(settings) as cvat:
        request = cvat._http.build_request("GET", "/")
        flow = cvat._http.auth.sync_auth_flow(request)  # type: ignore[union-attr]
        assert next(flow).headers["Authorization"].startswith("Basic ")


def test_a_signature_is_of_the_body_and_the_secret():
    body = b'{"event": "update:job"}'
    good = "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert signed("s3cret", body, good)
    assert not signed("s3cret", body + b" ", good)
    assert not signed("other", body, good)
    assert not signed(None, body, good)
    assert not signed("", body, "sha256=" + hmac.new(b"", body, hashlib.sha256).hexdigest())
    assert not signed("s3cret", body, "ü")


def test_a_signed_call_hastens_the_poll(tmp_path: Path):
    body = b'{"event": "update:job", "job": {"id": 3}}'
    good = "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    with (
        Door.opened(tmp_path, labeling={"cvat_webhook_secret": SecretStr("s3cret")}) as door,
        door.client() as client,
    ):
        client.headers.pop("Authorization")
        path = "/labeling/webhook/cvat"
        assert client.post(path, content=body).status_code == 401
        answer = client.post(path, content=body, headers={"X-Signature-256": good})
        assert answer.status_code == 202
