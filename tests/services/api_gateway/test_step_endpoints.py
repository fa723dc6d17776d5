"""Each step alone: what it takes, what it answers at once, and what to those who wait."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest

from shared.db.models import Deployment, Epoch, Labeling, Model, Task
from shared.errors import ActverseError, MediaRejected, NotFound, Unavailable
from tests.shared.web.door import VIDEO_URL, Door


class Stock:
    """A task of Ann's with everything that steps can start from."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.task_id = task_id = door.submit("ann")
        self.video = door.keep(f"videos/{task_id}/normalised.mp4", b"video")
        door.keep(f"frames/{task_id}/frames.json", b"{}")
        door.keep(f"labels/{task_id}/labels.json", b"{}")
        self.model = f"models/task-{task_id}/1"
        with door.platform.sessions.begin() as session:
            session.add(
                Model(
                    name=f"task-{task_id}",
                    version=1,
                    task_id=task_id,
                    user_id=door.user_id("ann"),
                    path=self.model,
                    weights_sha256="0" * 64,
                    classes=["mouse"],
                    image_size=320,
                    metrics={},
                    lineage={},
                )
            )
            session.add(
                Deployment(
                    task_id=task_id,
                    user_id=door.user_id("ann"),
                    model=f"task-{task_id}",
                    version=1,
                    server="triton 2.51.0",
                    parity={},
                )
            )


@pytest.fixture(scope="module")
def stock(door: Door) -> Stock:
    return Stock(door)


STEPS: dict[str, tuple[str, Any, str, dict[str, Any]]] = {
    "download": (
        "/video/download",
        lambda s: {"file_path": VIDEO_URL, "download_path": "session1/cam0.mp4"},
        "video_download",
        {"download_path": "files/x/session1/cam0.mp4", "video_type": "h264", "mb": 1.5},
    ),
    "frames": (
        "/video/extract-frames",
        lambda s: {"file_path": s.video, "num_frames": 12},
        "frame_extraction",
        {"frame_path": "frames/x", "frames": 12},
    ),
    "upload": (
        "/video/upload",
        lambda s: {"file_path": s.video, "upload_path": "a/b.mp4"},
        "video_upload",
        {"upload_path": "files/x/a/b.mp4"},
    ),
    "labeling": (
        "/labeling",
        lambda s: {"folder_path": f"frames/{s.task_id}", "task_id": s.task_id, "user_id": "ann"},
        "labeling",
        {},
    ),
    "training": (
        "/training",
        lambda s: {
            "data_path": f"labels/{s.task_id}",
            "mode_train_info": {"architecture": "global", "epochs": 3, "imgsz": 96, "seed": 1},
        },
        "training",
        {
            "model_path": "models/m/1",
            "model": "m",
            "version": 1,
            "weights_sha256": "0",
            "image_size": 96,
            "metrics": {"user": {"map50": 0.9}},
        },
    ),
    "deployment": (
        "/deployments",
        lambda s: {"task_id": s.task_id, "model_path": s.model},
        "deployment",
        {},
    ),
    "inference": (
        "/models/{task_id}/inference",
        lambda s: {
            "data_path": s.video,
            "confidence": 0.4,
            "iou": 0.6,
            "batch_size": 2,
            "frame_skip": 1,
            "max_frames": 50,
        },
        "inference",
        {},
    ),
}
steps = pytest.mark.parametrize("name", STEPS)
ENDING = [name for name, (*_, results) in STEPS.items() if results]


def ask(client: httpx.Client, stock: Stock, name: str, **headers: str) -> httpx.Response:
    path, body, _, _ = STEPS[name]
    return client.post(path.format(task_id=stock.task_id), json=body(stock), headers=headers)


@steps
def test_a_step_is_accepted_as_a_task_of_its_own(ann, stock, name) -> None:
    begun = time.monotonic()
    answer = ask(ann, stock, name)
    assert time.monotonic() - begun < 5
    assert answer.status_code == 202
    told = answer.json()
    assert answer.headers["location"] == told["status_url"] == f"/status/{told['task_id']}"
    assert "preference-applied" not in answer.headers
    task = ann.get(f"/tasks/{told['task_id']}").json()
    assert (task["pipeline"], task["state"]) == (STEPS[name][2], "QUEUED")


@steps
def test_who_waits_in_vain_is_told_where_to_look(ann, stock, name) -> None:
    begun = time.monotonic()
    answer = ask(ann, stock, name, Prefer="respond-async, wait=1")
    assert 0.9 < time.monotonic() - begun < 5
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.headers["location"]


def _meanwhile(door: Door, pipeline: str, act: Any) -> threading.Thread:
    """Run `act` on the task of `pipeline` that appears next."""
    with door.platform.reads() as session:
        before = {t.id for t in session.query(Task).filter_by(pipeline=pipeline)}

    def watch() -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with door.platform.reads() as session:
                fresh = {t.id for t in session.query(Task).filter_by(pipeline=pipeline)} - before
            if fresh:
                act(fresh.pop())
                return
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("name", ENDING)
def test_who_waits_gets_the_result(door, ann, stock, name) -> None:
    results = STEPS[name][3]

    def work(task_id: str) -> None:
        door.begin(task_id)
        door.succeed(task_id, **results)

    worker = _meanwhile(door, STEPS[name][2], work)
    answer = ask(ann, stock, name, Prefer="wait=20")
    worker.join()
    assert answer.headers["preference-applied"] == "wait=20"
    if name == "upload":
        assert (answer.status_code, answer.content) == (204, b"")
        return
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("task_id")
    assert told == {k: v for k, v in results.items() if k in told}
    assert len(told) >= 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MediaRejected("clip.mp4 has no video stream."), 415),
        (NotFound("https://example.org/a.mp4 does not exist (HTTP 404)."), 404),
        (Unavailable("example.org does not answer."), 503),
        (ActverseError("It broke."), 500),
    ],
)
def test_a_failure_within_the_wait_is_the_answer(door, ann, stock, error, status) -> None:
    def work(task_id: str) -> None:
        door.begin(task_id)
        door.fail(task_id, error)

    worker = _meanwhile(door, "video_download", work)
    answer = ask(ann, stock, "download", Prefer="wait=20")
    worker.join()
    assert answer.status_code == status
    assert answer.json()["detail"] == str(error)
    assert answer.json()["code"] == error.code
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_wait_is_no_longer_than_the_settings_allow(tmp_path) -> None:
    with Door.opened(tmp_path, gateway={"max_wait_s": 1}) as door, door.client() as client:
        begun = time.monotonic()
        answer = client.post(
            "/video/download", json={"file_path": VIDEO_URL}, headers={"Prefer": "wait=3600"}
        )
        assert answer.headers["preference-applied"] == "wait=1"
        assert time.monotonic() - begun < 5


def test_who_is_cancelled_while_waiting_hears_it(door, ann, stock) -> None:
    worker = _meanwhile(
        door, "video_download", lambda task_id: ann.post(f"/tasks/{task_id}/cancel")
    )
    with door.client("ann") as waiting:
        answer = ask(waiting, stock, "download", Prefer="wait=20")
    worker.join()
    assert answer.status_code == 409
    assert "cancelled" in answer.json()["detail"]


def test_the_id_of_a_deployment_is_known_at_once(ann, stock) -> None:
    first, second = (ask(ann, stock, "deployment").json() for _ in range(2))
    assert first["deployment_id"] != first["task_id"]
    assert first["deployment_id"] != second["deployment_id"]


def test_what_is_not_there_is_not_found(ann, stock) -> None:
    there = f"/models/{stock.task_id}/inference"
    none = f"videos/{stock.task_id}/none.mp4"
    cases = {
        "/video/extract-frames": {"file_path": none},
        "/video/upload": {"file_path": none, "upload_path": "a.mp4"},
        "/labeling": {"folder_path": f"videos/{stock.task_id}"},
        "/deployments": {"task_id": stock.task_id, "model_path": "models/none/1"},
        there: {"data_path": none},
        "/models/none/inference": {"data_path": stock.video},
    }
    for path, body in cases.items():
        answer = ann.post(path, json=body)
        assert answer.status_code == 404, (path, answer.text)


def test_a_task_without_a_model_has_nothing_to_analyse_with(door, ann) -> None:
    task_id = door.submit("ann")
    video = door.keep(f"videos/{task_id}/normalised.mp4", b"video")
    answer = ann.post(f"/models/{task_id}/inference", json={"data_path": video})
    assert answer.status_code == 404
    assert "no deployed model" in answer.json()["detail"]


def test_what_cannot_be_is_said(ann, stock) -> None:
    inference = f"/models/{stock.task_id}/inference"
    cases = [
        ("/training", {"data_path": f"frames/{stock.task_id}"}, 400, "labels.json"),
        ("/training", {"data_path": "x", "mode_train_info": {"epochs": 0}}, 422, "epochs"),
        ("/training", {"data_path": "x", "mode_train_info": {"imgsz": 100}}, 422, "imgsz"),
        (inference, {"data_path": stock.video, "confidence": 2}, 422, "confidence"),
        (inference, {"data_path": stock.video, "batch_size": 0}, 422, "batch_size"),
        (inference, {"data_path": VIDEO_URL}, 400, "/video/download"),
        ("/deployments", {"task_id": stock.task_id, "model_path": "../x"}, 400, ".."),
        ("/video/extract-frames", {"file_path": stock.video, "num_frames": 0}, 422, "num_frames"),
        ("/labeling", {"folder_path": "frames/x", "labeler": "crayons"}, 422, "labeler"),
    ]
    for path, body, status, word in cases:
        answer = ann.post(path, json=body)
        assert (answer.status_code, word in answer.json()["detail"]) == (status, True), answer.text


def test_labeling_and_training_tell_how_far_they_are(door, ann) -> None:
    task_id = door.submit("ann")
    for path in ("/labeling", "/training"):
        early = ann.get(f"{path}/{task_id}")
        assert early.status_code in {200, 404}
    with door.platform.sessions.begin() as session:
        session.add(
            Labeling(
                task_id=task_id, engine="folder", ref="x", total=60, done=41, skipped=2, rate=3.5
            )
        )
        figures = {"epoch": 2, "epochs": 24, "map50": 0.5}
        session.add(Epoch(task_id=task_id, epoch=2, epochs=24, figures=figures))
    labeling = ann.get(f"/labeling/{task_id}").json()
    assert (labeling["total"], labeling["done"], labeling["skipped"]) == (60, 41, 2)
    assert labeling["rate"] == 3.5
    training = ann.get(f"/training/{task_id}").json()
    assert (training["current_epoch"], training["epochs"]) == (2, 24)
    assert training["metrics"]["map50"] == 0.5
    single = ann.post("/video/download", json={"file_path": VIDEO_URL}).json()["task_id"]
    for path in ("/labeling", "/training"):
        assert ann.get(f"{path}/{single}").status_code == 404


def test_the_map_is_told(ann) -> None:
    told = {p["name"]: p for p in ann.get("/pipelines").json()}
    assert [s["step"] for s in told["vision"]["steps"]][-1] == "results_upload"
    assert "num_frames" in told["vision"]["options"]["properties"]


def test_models_are_ones_own_or_everybodys(door, admin) -> None:
    assert admin.get("/models").json() == []
