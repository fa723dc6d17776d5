"""Deleting a task: what goes, what stays, who is asked first, and what survives a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from shared.db.base import Base
from shared.db.learning_models import LabelSheet, RetrainTrigger
from shared.db.models import Deployment, Epoch, Labeling, Model, Output, Task
from shared.db.operation_models import Webhook, WebhookDelivery
from shared.flow import deletion, wishes
from shared.flow.states import State
from shared.pipelines import atlas
from tests.servers.s3 import S3Server
from tests.services.model_trainer.rounds_world import finish, labelled, labels, recorded, round_one
from tests.shared.web.door import Door

FILES = ("videos/{}/source.mp4", "train_log/{}/model.pt", "inference_results/{}/results.csv")


@pytest.fixture(scope="module")
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


def finished(door: Door, user: str = "ann", *, served: bool = False, **options: Any) -> str:
    """A task of round one with files, labels, a data set and rows of every kind."""
    task_id = round_one(door, user, **options)
    for key in FILES:
        door.keep(key.format(task_id), b"0123456789")
    labelled(door, task_id, labels(3))
    recorded(door, task_id, labels(3))
    with door.platform.sessions.begin() as session:
        session.add(Epoch(task_id=task_id, epoch=1, epochs=1, figures={}))
        session.add(Labeling(task_id=task_id, engine="folder", ref=task_id, state="DONE"))
        session.add(LabelSheet(task_id=task_id))
        session.add(RetrainTrigger(root_id=task_id, user_id=user))
        hook = Webhook(user_id=door.user_id(user), url="https://example.org", secret="s")
        session.add(hook)
        session.flush()
        session.add(
            WebhookDelivery(
                webhook_id=hook.id, event_id=task_id, name="n", task_id=task_id, body={}
            )
        )
        if not served:
            session.execute(delete(Deployment).where(Deployment.task_id == task_id))
    return task_id


def forget_models(door: Door, task_id: str) -> None:
    """What the deployer does; its own tests speak of that."""
    with door.platform.sessions.begin() as session:
        for entity in (Model, Deployment):
            session.execute(delete(entity).where(entity.task_id == task_id))


def rows(door: Door, task_id: str) -> dict[str, int]:
    """How many rows of any table still name the task."""
    found = {}
    with door.platform.reads() as session:
        for table in Base.metadata.sorted_tables:
            names = [n for n in ("task_id", "root_id") if n in table.c]
            names += ["id"] if table.name == "tasks" else []
            if names:
                mine = or_(*(table.c[name] == task_id for name in names))
                found[table.name] = session.scalar(select(func.count()).where(mine))
    return {name: count for name, count in found.items() if count}


def files(door: Door, task_id: str) -> list[str]:
    return [key for key in door.platform.storage.list() if task_id in key]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_looking_first_tells_what_would_go_and_changes_nothing(door: Door, ann) -> None:
    task_id = finished(door, served=True)
    before = rows(door, task_id)
    told = ann.delete(f"/tasks/{task_id}", params={"dry_run": True}).raise_for_status()
    found = told.json()
    assert told.status_code == 200
    stored = [door.platform.storage.fetch(key) for key in files(door, task_id)]
    assert found["files"] == len(stored) > 5
    assert found["bytes"] == sum(path.stat().st_size for path in stored)
    assert found["rows"] == dict(sorted(before.items()))
    assert found["models"] == [{"name": f"task-{task_id}", "version": 1, "served": True}]
    assert "model=true" in found["refused"]
    assert found["state"] == "SUCCEEDED"
    korean = ann.delete(
        f"/tasks/{task_id}", params={"dry_run": True}, headers={"Accept-Language": "ko"}
    )
    assert "배포되어" in korean.json()["refused"]
    assert korean.headers["content-language"] == "ko"
    with_model = {"dry_run": True, "model": True}
    assert ann.delete(f"/tasks/{task_id}", params=with_model).json()["refused"] is None
    assert rows(door, task_id) == before


def test_a_task_goes_with_all_that_belongs_to_it(door: Door, ann) -> None:
    task_id, other = finished(door, served=True), finished(door)
    path = f"/tasks/{task_id}"
    assert refused(ann.delete(path)) == (409, "StillServed")
    answer = ann.delete(path, params={"model": True})
    assert (answer.status_code, answer.json()["state"]) == (202, "DELETING")
    assert ann.get(path).json()["state"] == ann.get(f"/status/{task_id}").json()["state"]
    deletion.finish(door.platform)
    assert files(door, task_id) == []
    loads = {load.name: load.pending for load in door.platform.broker.loads()}
    assert loads["model_deployer"] > 0  # it was asked to do its part
    assert ann.get(path).json()["state"] == "DELETING"  # its model waits for the deployer
    again = ann.delete(path)
    assert (again.status_code, again.json()["state"]) == (202, "DELETING")
    forget_models(door, task_id)
    assert deletion.finish(door.platform) == 1
    assert (rows(door, task_id), files(door, task_id)) == ({}, [])
    assert not door.platform.storage.local(f"labels/{task_id}.lock").exists()
    assert [ann.get(path).status_code, ann.delete(path).status_code] == [404, 404]
    assert ann.get(f"/tasks/{other}").json()["state"] == "SUCCEEDED"
    assert len(files(door, other)) > 5


def test_only_its_owner_and_admins_delete_it(door: Door, bob, admin) -> None:
    task_id = finished(door)
    for query in ({}, {"dry_run": True}):
        assert bob.delete(f"/tasks/{task_id}", params=query).status_code == 404
    assert admin.delete(f"/tasks/{task_id}").status_code == 202


def test_what_is_at_work_is_cancelled_first(door: Door, ann) -> None:
    task_id = door.submit("ann")
    door.begin(task_id)
    path = f"/tasks/{task_id}"
    assert refused(ann.delete(path)) == (409, "NotEnded")
    assert "cancel" in ann.delete(path).json()["detail"]
    with door.platform.sessions.begin() as session:  # cancelled, and its worker has not noticed
        session.get_one(Task, task_id).state = State.CANCELLED
    assert refused(ann.delete(path)) == (409, "StillStopping")


def test_a_task_that_is_going_is_of_no_use_any_more(door: Door, ann) -> None:
    task_id = finished(door)
    assert ann.delete(f"/tasks/{task_id}").status_code == 202
    wishes = [
        ann.post(f"/tasks/{task_id}/retry", json={"step": "model_training"}),
        ann.post(f"/tasks/{task_id}/rounds", json={}),
        ann.post("/training", json={"data_path": f"labels/{task_id}"}),
        ann.post(
            f"/models/{task_id}/inference", json={"data_path": f"videos/{task_id}/source.mp4"}
        ),
        ann.post("/tasks/", json={"file_path": f"videos/{task_id}/source.mp4"}),
    ]
    assert [refused(wish) for wish in wishes] == [(409, "BeingDeleted")] * 5
    weights = {"training": {"weights": f"task-{task_id}/1"}}
    wish = {"file_path": "https://example.org/a.mp4", "options": weights}
    assert ann.post("/tasks/", json=wish).status_code == 422


def test_its_key_is_free_for_a_new_task(door: Door, ann) -> None:
    headers, wish = {"Idempotency-Key": "film 7"}, {"file_path": "https://example.org/7.mp4"}
    first = ann.post("/tasks/", json=wish, headers=headers).json()["task_id"]
    ann.post(f"/tasks/{first}/cancel")
    assert ann.delete(f"/tasks/{first}").status_code == 202
    assert ann.post("/tasks/", json=wish, headers=headers).json()["task_id"] != first


def test_rounds_keep_the_task_that_they_began_with(door: Door, ann) -> None:
    root = finished(door)
    later = ann.post(f"/tasks/{root}/rounds", json={}).raise_for_status().json()["task_id"]
    answer = ann.delete(f"/tasks/{root}", params={"model": True})
    assert refused(answer) == (409, "StillNeeded")
    assert later in answer.json()["detail"]
    finish(door, later, 2, 0.5)
    answer = ann.delete(f"/tasks/{root}", params={"model": True})
    assert (refused(answer), f"{later} (round 2)" in answer.json()["detail"]) == (
        (409, "StillNeeded"),
        True,
    )
    assert refused(ann.delete(f"/tasks/{later}", params={"model": True})) == (409, "StillCurrent")
    with door.platform.sessions.begin() as session:
        for model in session.query(Model).filter(Model.name == f"task-{root}"):
            model.state = "RETIRED"
    door.keep(f"models/task-{root}/2/model.pt", b"two")
    door.keep(f"models/task-{root}/1/model.pt", b"one")
    assert ann.delete(f"/tasks/{later}", params={"model": True}).status_code == 202
    deletion.finish(door.platform)
    forget_models(door, later)
    deletion.finish(door.platform)
    assert ann.get(f"/tasks/{later}").status_code == 404
    left = [key for key in files(door, root) if key.startswith("models/")]
    assert left == [f"models/task-{root}/1/model.pt"]
    assert ann.delete(f"/tasks/{root}").status_code == 202


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"labeling_path": "labels/{}", "frame_path": "frames/{}"}, "its frames or labels"),
        ({"labeling_path": "l/x", "frame_path": "f/x", "weights": "task-{}/1"}, "its model"),
    ],
)
def test_what_others_were_made_from_stays(door: Door, ann, options, why) -> None:
    task_id = finished(door)
    given = {key: value.format(task_id) for key, value in options.items()}
    if weights := given.pop("weights", None):
        given["training"] = {"weights": weights}
    other = other_task(door, "training", **given)
    told = ann.delete(f"/tasks/{task_id}").json()["detail"]
    assert f"{other} (at work)" in told
    with door.platform.sessions.begin() as session:
        session.get_one(Task, other).state = State.SUCCEEDED
    told = ann.delete(f"/tasks/{task_id}").json()["detail"]
    assert f"{other} ({why})" in told
    assert ann.delete(f"/tasks/{other}").status_code == 202
    deletion.finish(door.platform)
    assert ann.delete(f"/tasks/{task_id}").status_code == 202


def other_task(door: Door, pipeline: str, **options: Any) -> str:
    chosen = atlas.pipeline(pipeline)
    user_id = door.user_id("ann")
    with door.platform.sessions.begin() as session:
        given = chosen.options(**options)
        return wishes.submit(session, door.platform.bus, chosen, given, user_id=user_id).id


def test_an_analysis_needs_the_model_only_while_it_is_at_work(door: Door, ann) -> None:
    task_id = finished(door, served=True)
    given = {"deployment_id": f"deployment-{task_id}-1", "inference_data_path": "uploads/x/a.mp4"}
    other = other_task(door, "inference", **given)
    path = f"/tasks/{task_id}?model=true"
    assert f"{other} (at work)" in ann.delete(path).json()["detail"]
    with door.platform.sessions.begin() as session:
        session.get_one(Task, other).state = State.SUCCEEDED
    assert ann.delete(path).status_code == 202


def test_who_served_the_model_again_does_not_need_it(door: Door, ann) -> None:
    task_id = finished(door)
    model = {"model": f"task-{task_id}", "version": 1, "model_path": f"models/task-{task_id}/1"}
    other = other_task(door, "deployment", **model, frame_path=f"frames/{task_id}")
    assert f"{other} (at work)" in ann.delete(f"/tasks/{task_id}").json()["detail"]
    with door.platform.sessions.begin() as session:
        session.get_one(Task, other).state = State.SUCCEEDED
    assert ann.delete(f"/tasks/{task_id}").status_code == 202


def test_what_is_not_the_tasks_stays_and_is_named(door: Door, ann) -> None:
    source = "upload://7/a.mp4"
    task_id = finished(door, file_path=source, upload_path="files/x/results")
    with door.platform.sessions.begin() as session:
        labeling = session.get_one(Labeling, task_id)
        labeling.engine, labeling.ref = "label_studio", "https://studio.example/projects/7"
        session.add(
            Output(
                task_id=task_id,
                name="results.csv",
                key=f"inference_results/{task_id}/results.csv",
                uri="",
                bytes=10,
                sha256="0",
                content_type="text/csv",
            )
        )
    stays = ann.delete(f"/tasks/{task_id}", params={"dry_run": True}).json()["stays"]
    assert [source in stays[0], "results" in stays[1], "projects/7" in stays[2]] == [True] * 3


def test_whoever_dies_in_the_middle_is_followed(door: Door, ann, monkeypatch) -> None:
    task_id, next_one = finished(door), finished(door)
    forget_models(door, task_id)
    forget_models(door, next_one)
    for each in (task_id, next_one):
        assert ann.delete(f"/tasks/{each}").status_code == 202
    storage, kept = door.platform.storage, type(door.platform.storage).delete

    def broken(self: Any, prefix: str) -> int:
        if prefix == f"train_log/{task_id}":
            raise OSError(5, "Input/output error")
        return kept(self, prefix)

    monkeypatch.setattr(type(storage), "delete", broken)
    deletion.finish(door.platform)
    assert ann.get(f"/tasks/{next_one}").status_code == 404  # one that fails holds up no other
    assert ann.get(f"/tasks/{task_id}").json()["state"] == "DELETING"
    monkeypatch.undo()
    assert deletion.finish(door.platform) == 1
    assert (rows(door, task_id), files(door, task_id)) == ({}, [])


def mark_all(session: Session, user_id: str) -> list[str]:
    """What all of them need of each other holds none of them up."""
    tasks = session.scalars(select(Task).where(Task.user_id == user_id)).all()
    beside = {task.id for task in tasks}
    for task in tasks:
        deletion.begin(session, task, model=True, beside=beside)
    return [task.id for task in tasks]


def test_an_account_goes_with_all_its_tasks_or_with_none(door: Door) -> None:
    with door.client("leaver") as leaver:
        root = finished(door, "leaver", served=True)
        later = leaver.post(f"/tasks/{root}/rounds", json={}).json()["task_id"]
        platform, user_id = door.platform, door.user_id("leaver")
        with pytest.raises(deletion.NotEnded), platform.sessions.begin() as session:
            mark_all(session, user_id)
        assert leaver.get(f"/tasks/{root}").json()["state"] == "SUCCEEDED"
        finish(door, later, 2, 0.5)
        with platform.sessions.begin() as session:
            assert set(mark_all(session, user_id)) == {root, later}
        deletion.finish(platform)
        for each in (root, later):
            forget_models(door, each)
        deletion.finish(platform)
        assert leaver.get("/tasks/").json()["items"] == []
        assert files(door, root) == files(door, later) == []


def test_the_same_on_postgresql_and_s3(
    postgres_url: str, s3_server: S3Server, tmp_path: Path
) -> None:
    keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}
    place = f"s3://{s3_server.bucket()}/lab?endpoint={s3_server.url}"
    settings = {"storage": place, "storage_s3": keys}
    with Door.opened(tmp_path, database=postgres_url, **settings) as far, far.client("ann") as ann:
        task_id, other = finished(far), finished(far)
        training = {"labeling_path": f"labels/{other}", "frame_path": f"frames/{other}"}
        other_task(far, "training", **training)
        found = ann.delete(f"/tasks/{task_id}", params={"dry_run": True}).json()
        assert (found["files"], found["bytes"] > 30) == (len(files(far, task_id)), True)
        assert refused(ann.delete(f"/tasks/{other}")) == (409, "StillNeeded")
        assert ann.delete(f"/tasks/{task_id}").status_code == 202
        deletion.finish(far.platform)
        forget_models(far, task_id)
        assert deletion.finish(far.platform) == 1
        assert (rows(far, task_id), files(far, task_id)) == ({}, [])
        assert len(files(far, other)) > 5
        assert not list(tmp_path.rglob(f"*{task_id}*"))  # nor in the cache
