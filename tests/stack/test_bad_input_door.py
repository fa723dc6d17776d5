"""Requests that are refused before any work begins: paths, other people's things, wishes, weights."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.mesh import Mesh
from tests.stack.bomb import Bomb
from tests.stack.conftest import data_dir
from tests.stack.person import Person, stranger

pytestmark = pytest.mark.usefixtures("still_serves")


@pytest.fixture(scope="module")
def task_id(stored: str) -> str:
    """The task that made the stored video."""
    return stored.split("/")[1]


@pytest.fixture(scope="module")
def frames(person: Person, stored: str) -> str:
    wish = {"file_path": stored, "num_frames": 3}
    return str(person.post("/video/extract-frames", wish, wait_s=30).given()["frame_path"])


def path_doors(task_id: str, good: str, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Every request that takes a path, with `path` in it."""
    return [
        ("/tasks/", {"file_path": path}),
        ("/tasks/", {"file_path": good, "options": {"upload_path": path}}),
        ("/video/download", {"file_path": path}),
        ("/video/download", {"file_path": good, "download_path": path}),
        ("/video/extract-frames", {"file_path": path}),
        ("/video/upload", {"file_path": path, "upload_path": "copy.mp4"}),
        ("/video/upload", {"file_path": good, "upload_path": path}),
        ("/labeling", {"folder_path": path}),
        ("/training", {"data_path": path}),
        ("/training", {"data_path": f"labels/{task_id}", "frame_path": path}),
        ("/deployments", {"task_id": task_id, "model_path": path}),
        (f"/models/{task_id}/inference", {"data_path": path}),
    ]


LEAVING = [
    "../../../etc/passwd",
    "/etc/passwd",
    "videos/../../../etc/passwd",
    "videos/./x",
    "..\\..\\windows",
    "videos/\u0000/x",
    "videos//x",
    "..",
]


@pytest.mark.parametrize("path", LEAVING)
def test_a_path_that_leaves_its_root_is_refused_everywhere(
    person: Person, task_id: str, stored: str, path: str
) -> None:
    for door, body in path_doors(task_id, stored, path):
        answer = person.post(door, body)
        answer.refused(400)
        assert any(
            word in answer.told
            for word in ("absolute", "'..'", "backslash", "control characters", "folder/name")
        ), answer.told


def test_a_link_that_leads_out_is_not_followed(
    person: Person, task_id: str, frames: str, stored: str, tmp_path: Path
) -> None:
    video = data_dir() / stored
    (tmp_path / "secret.mp4").write_bytes(video.read_bytes())
    user_id = person.get(f"/tasks/{task_id}").given()["user_id"]
    files = data_dir() / "files" / user_id
    files.mkdir(parents=True, exist_ok=True)
    (video.parent / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (files / "out").symlink_to(tmp_path, target_is_directory=True)
    (data_dir() / frames / "link.jpg").symlink_to(tmp_path / "secret.mp4")
    try:
        leading_in = f"videos/{task_id}/link.mp4"
        for door, body in (
            ("/tasks/", {"file_path": leading_in}),
            ("/video/download", {"file_path": leading_in}),
            ("/video/extract-frames", {"file_path": leading_in}),
            ("/video/upload", {"file_path": leading_in, "upload_path": "copy.mp4"}),
            ("/video/upload", {"file_path": f"{frames}/link.jpg", "upload_path": "copy.jpg"}),
            (f"/models/{task_id}/inference", {"data_path": leading_in}),
            ("/video/upload", {"file_path": stored, "upload_path": "out/copy.mp4"}),
            ("/video/download", {"file_path": stored, "download_path": "out/copy.mp4"}),
        ):
            answer = person.post(door, body, wait_s=30)
            answer.refused(400, "leaves its root", "link that points elsewhere")
        assert [path.name for path in tmp_path.iterdir()] == ["secret.mp4"]
    finally:
        for link in (video.parent / "link.mp4", files / "out", data_dir() / frames / "link.jpg"):
            link.unlink()


def test_a_file_is_never_written_below_a_file_nor_over_a_folder(
    person: Person, stored: str
) -> None:
    copy = {"file_path": stored, "upload_path": "session/film.mp4"}
    assert person.post("/video/upload", copy, wait_s=30).status == 204
    for target, words in (
        ("session", ("is a folder", "name the file")),
        ("session/film.mp4/x.mp4", ("film.mp4' is a file", "choose another path")),
    ):
        wish = {"file_path": stored, "upload_path": target}
        person.post("/video/upload", wish, wait_s=30).refused(400, *words)
        wish = {"file_path": stored, "download_path": target}
        person.post("/video/download", wish, wait_s=30).refused(400, *words)
    results = {"file_path": stored, "options": {"upload_path": "session/film.mp4"}}
    person.post("/tasks/", results).refused(400, "is a file")


def test_a_file_downloaded_onto_itself_is_still_there(person: Person, stored: str) -> None:
    wish = {"file_path": stored, "download_path": "kept/film.mp4"}
    kept = person.post("/video/download", wish, wait_s=30).given()["download_path"]
    again = {"file_path": kept, "download_path": "kept/film.mp4"}
    assert person.post("/video/download", again, wait_s=30).given()["download_path"] == kept
    assert (data_dir() / kept).read_bytes() == (data_dir() / stored).read_bytes()


@pytest.fixture(scope="module")
def bob(mesh: Mesh) -> Iterator[Person]:
    with stranger(mesh, "bob") as somebody:
        yield somebody


def test_what_is_somebody_elses_does_not_exist(
    person: Person, bob: Person, task_id: str, frames: str, stored: str, arena: tuple[Path, Path]
) -> None:
    assert bob.get("/tasks/").given()["items"] == []
    for path in (
        f"/tasks/{task_id}",
        f"/status/{task_id}",
        f"/status/{task_id}/events",
        f"/tasks/{task_id}/outputs/results.csv",
        f"/labeling/{task_id}",
        f"/training/{task_id}",
    ):
        there, nowhere = bob.get(path), bob.get(path.replace(task_id, "nowhere"))
        there.refused(404, task_id)
        assert there.told.replace(task_id, "nowhere") == nowhere.refused(404).told
    upload = person.uploaded(arena[0])
    for door, body in (
        (f"/tasks/{task_id}/cancel", None),
        (f"/tasks/{task_id}/retry", None),
        ("/tasks/", {"file_path": upload}),
        ("/tasks/", {"file_path": stored}),
        ("/video/download", {"file_path": upload}),
        ("/video/download", {"file_path": stored}),
        ("/video/extract-frames", {"file_path": stored}),
        ("/video/upload", {"file_path": stored, "upload_path": "mine.mp4"}),
        ("/labeling", {"folder_path": frames}),
        ("/training", {"data_path": f"labels/{task_id}"}),
        ("/deployments", {"task_id": task_id, "model_path": f"models/task-{task_id}/1"}),
        (f"/models/{task_id}/inference", {"data_path": stored}),
    ):
        bob.post(door, body).refused(404, "There is no")
    user_id = person.get(f"/tasks/{task_id}").given()["user_id"]
    wish = {"file_path": "https://example.org/film.mp4", "user_id": user_id}
    bob.post("/tasks/", wish).refused(403, "Your key belongs to 'bob'")


def test_nothing_is_told_without_a_key(mesh: Mesh, task_id: str) -> None:
    nobody = Person(mesh.url, "av_wrong")
    for path in (f"/tasks/{task_id}", f"/status/{task_id}", "/models", "/health"):
        nobody.get(path).refused(401, "key")
    nobody.close()


WISHES = [
    ({"training": {"epochs": 0}}, "options.training.epochs"),
    ({"training": {"epochs": "many"}}, "options.training.epochs"),
    ({"training": {"imgsz": 100}}, "options.training.imgsz"),
    ({"training": {"seed": 2**32}}, "options.training.seed"),
    ({"training": {"val_share": 1.0}}, "options.training.val_share"),
    ({"training": {"optimizer": "Adam"}}, "options.training.optimizer"),
    ({"training": {"weights": "yolo11n.pt"}}, "weights"),
    ({"training": {"weights": "task-nobody/1"}}, "weights"),
    ({"inference": {"confidence": 1.5}}, "options.inference.confidence"),
    ({"inference": {"frame_skip": -1}}, "options.inference.frame_skip"),
    ({"inference": {"max_frames": 0}}, "options.inference.max_frames"),
    ({"inference": []}, "options.inference"),
    ({"num_frames": 0}, "options.num_frames"),
    ({"num_frames": 2.5}, "options.num_frames"),
    ({"labeler": "nobody"}, "options.labeler"),
    ({"classes": []}, "options.classes"),
    ({"classes": ["mouse", "mouse "]}, "options.classes"),
    ({"classes": [" "]}, "options.classes"),
    ({"classes": "mouse"}, "options.classes"),
    ({"notify": {"steps": ["lunch"]}}, "lunch"),
    ({"colour": "blue"}, "options.colour"),
]


@pytest.mark.parametrize(("options", "field"), WISHES, ids=[str(o) for o, _ in WISHES])
def test_a_wish_that_cannot_be_met_is_refused_by_its_name(
    person: Person, stored: str, options: dict[str, Any], field: str
) -> None:
    before = person.get("/tasks/?limit=1").given()["items"][0]["task_id"]
    person.post("/tasks/", {"file_path": stored, "options": options}).refused(422, field)
    assert person.get("/tasks/?limit=1").given()["items"][0]["task_id"] == before


def test_a_request_that_cannot_be_read_is_refused(person: Person, stored: str) -> None:
    person.post("/tasks/", "{not json").refused(400, "cannot be read as JSON")
    person.post("/tasks/", "[]").refused(422, "body")
    person.post("/tasks/", {}).refused(422, "file_path")
    not_a_number = json.dumps(
        {"file_path": stored, "options": {"inference": {"iou": float("nan")}}}
    )
    person.post("/tasks/", not_a_number).refused(422, "options.inference.iou")
    unknown = {"file_path": stored, "pipeline": "cooking"}
    person.post("/tasks/", unknown).refused(400, "no pipeline 'cooking'", "vision")


def test_step_endpoints_name_the_field_too(person: Person, task_id: str, stored: str) -> None:
    for door, body, field in (
        ("/video/extract-frames", {"file_path": stored, "num_frames": "all"}, "num_frames"),
        ("/video/extract-frames", {"file_path": stored, "every": 2}, "every"),
        ("/labeling", {"folder_path": f"frames/{task_id}", "labeler": "nobody"}, "labeler"),
        ("/labeling", {"folder_path": f"frames/{task_id}", "classes": ["a", "a"]}, "classes"),
        ("/training", {"data_path": "labels/x", "mode_train_info": {"epochs": -1}}, "epochs"),
        ("/training", {"data_path": "labels/x", "mode_train_info": {"lr": 1}}, "lr"),
        (f"/models/{task_id}/inference", {"data_path": stored, "iou": 2}, "iou"),
        (f"/models/{task_id}/inference", {"data_path": stored, "batch_size": 0}, "batch_size"),
    ):
        person.post(door, body).refused(422, field)


def test_weights_of_a_user_are_never_opened(
    person: Person, task_id: str, frames: str, tmp_path: Path
) -> None:
    bomb = Bomb(tmp_path / "it_ran")
    kind = "application/octet-stream"
    path = person.send(bomb.content(), "model.pt", kind).given(201)["file_path"]
    person.failed(
        person.submit(path), "video_processing", "MediaRejected", "model.pt is not a video"
    )
    key = "uploads/" + path.removeprefix("upload://")
    copied = {"file_path": key, "upload_path": "models/mine/1/model.pt"}
    assert person.post("/video/upload", copied, wait_s=30).status == 204
    user_id = person.get(f"/tasks/{task_id}").given()["user_id"]
    copy = f"files/{user_id}/models/mine/1/model.pt"
    assert (data_dir() / copy).read_bytes() == bomb.content()
    for weights in (path, key, copy, "mine/1", str(data_dir() / copy), "../files/mine/1"):
        wish = {"file_path": path, "options": {"training": {"weights": weights}}}
        person.post("/tasks/", wish).refused(422, "weights: there is no registered model")
        for name in ("weights", "architecture"):
            wish = {
                "data_path": f"labels/{task_id}",
                "frame_path": frames,
                "mode_train_info": {name: weights},
            }
            person.post("/training", wish).refused(422, "weights: there is no registered model")
    for model in (key, copy, copy.removesuffix("/model.pt"), "models/mine/1"):
        wish = {"task_id": task_id, "model_path": model}
        person.post("/deployments", wish).refused(404, "No registered model")
    assert not bomb.opened()
    pickle.loads(bomb.content())
    assert bomb.opened()  # it would have left its mark
