"""A labeler that this mesh cannot reach is refused before any work begins, whichever the door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.db.models import Task
from tests.services.model_trainer.rounds_world import round_one
from tests.shared.web.door import VIDEO_URL, Door

SETTINGS = {
    "cvat": "ACTVERSE_LABELING__CVAT_URL",
    "label_studio": "ACTVERSE_LABELING__LABEL_STUDIO",
}
CVAT = {"cvat_url": "https://cvat.example", "cvat_login": "ann:secret"}
STUDIO = {"label_studio_url": "https://studio.example", "label_studio_token": "t"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A mesh with no tool but its own."""
    with Door.opened(tmp_path_factory.mktemp("bare")) as opened:
        yield opened


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A mesh with both; whether they answer is asked when they are used."""
    with Door.opened(tmp_path_factory.mktemp("both"), labeling={**CVAT, **STUDIO}) as opened:
        yield opened


def submit(client: httpx.Client, **options: Any) -> httpx.Response:
    return client.post("/tasks/", json={"file_path": VIDEO_URL, "options": options})


def tasks(door: Door) -> int:
    with door.platform.reads() as session:
        return session.query(Task).count()


def refused(answer: httpx.Response, labeler: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "LabelerNotConnected")
    assert SETTINGS[labeler] in problem["detail"]
    assert f"'{labeler}'" in problem["detail"]
    assert "'builtin'" in problem["detail"]


@pytest.mark.parametrize("labeler", SETTINGS)
def test_a_task_is_refused(bare: Door, labeler: str) -> None:
    before = tasks(bare)
    with bare.client("ann") as ann:
        refused(submit(ann, labeler=labeler), labeler)
        korean = ann.post(
            "/tasks/",
            json={"file_path": VIDEO_URL, "options": {"labeler": labeler}},
            headers={"Accept-Language": "ko"},
        )
    assert SETTINGS[labeler] in korean.json()["detail"]
    assert "여기서는 사용할 수 없습니다" in korean.json()["detail"]
    assert tasks(bare) == before


@pytest.mark.parametrize("labeler", ["builtin", "folder", "auto"])
def test_what_needs_no_other_server_always_works(bare: Door, labeler: str) -> None:
    with bare.client("ann") as ann:
        assert submit(ann, labeler=labeler).status_code == 202


@pytest.mark.parametrize("labeler", SETTINGS)
def test_a_tool_that_is_connected_is_taken(connected: Door, labeler: str) -> None:
    with connected.client("ann") as ann:
        assert submit(ann, labeler=labeler).status_code == 202


@pytest.mark.parametrize("missing", [{"cvat_login": "ann"}, {"cvat_url": "file:///etc"}])
def test_half_of_an_account_is_none(tmp_path: Path, missing: dict[str, str]) -> None:
    with Door.opened(tmp_path, labeling={**CVAT, **missing}) as door, door.client("ann") as ann:
        refused(submit(ann, labeler="cvat"), "cvat")


def test_a_labeling_alone_is_refused(bare: Door) -> None:
    task_id = bare.submit("ann")
    folder = f"frames/{task_id}"
    bare.platform.storage.local(folder).mkdir(parents=True)
    bare.keep(f"{folder}/frames.json", json.dumps({"frames": []}).encode())
    with bare.client("ann") as ann:
        answer = ann.post("/labeling", json={"folder_path": folder, "labeler": "cvat"})
    refused(answer, "cvat")


def test_a_round_and_a_trigger_of_rounds_are_refused(bare: Door) -> None:
    root = round_one(bare)
    with bare.client("ann") as ann:
        refused(ann.post(f"/tasks/{root}/rounds", json={"labeler": "cvat"}), "cvat")
        wish = {"new_labels": 10, "round": {"labeler": "label_studio"}}
        refused(ann.put(f"/tasks/{root}/triggers", json=wish), "label_studio")
        assert ann.post(f"/tasks/{root}/rounds", json={"labeler": "folder"}).status_code == 202


def test_a_round_is_refused_when_the_tool_of_round_one_is_gone(bare: Door) -> None:
    root = round_one(bare)
    with bare.platform.sessions.begin() as session:
        task = session.get_one(Task, root)
        task.context = {**task.context, "labeler": "cvat"}
    with bare.client("ann") as ann:
        refused(ann.post(f"/tasks/{root}/rounds"), "cvat")
        assert ann.post(f"/tasks/{root}/rounds", json={"labeler": "builtin"}).status_code == 202
