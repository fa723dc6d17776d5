"""Rounds through the gateway: made from what the rounds before know, one at a time, told as a curve."""

from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import select, update

from services.model_trainer import round_views
from shared.db.learning_models import Round
from shared.db.models import Model, Outgoing, Task
from shared.errors import MediaRejected
from shared.flow.states import State
from tests.services.model_trainer.rounds_world import finish, round_one


def context(door, task_id: str) -> dict:
    with door.platform.reads() as session:
        return session.get_one(Task, task_id).context


def cancel(door, task_id: str, **facts) -> None:
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, task_id)
        task.state, task.finished_at = State.CANCELLED, task.created_at
        task.context = {**task.context, **facts}


def test_a_round_is_made_from_what_round_one_knows(door, ann) -> None:
    root = round_one(door)
    door.keep(f"inference_results/{root}/global/results.csv", b"frame\n")
    judges = [{"video": "ab" * 32, "time_s": t} for t in (1.0, 9.0, 10.5)]
    judges.append({"video": "another", "time_s": 30.0})
    door.keep(f"train_log/{root}/frozen.json", json.dumps({"frames": judges}).encode())
    wish = {"num_frames": 12, "training": {"epochs": 3}, "budget": {"uniform": 1.0}}
    answer = ann.post(f"/tasks/{root}/rounds", json=wish)
    assert answer.status_code == 202
    task_id = answer.json()["task_id"]
    assert answer.headers["location"] == f"/status/{task_id}"
    made = context(door, task_id)
    assert made["root_task_id"] == root
    assert (made["round"], made["num_frames"], made["seed"]) == (2, 12, 2)
    assert made["classes"] == ["mouse"]
    assert made["download_path"] == f"videos/{root}/normalised.mp4"
    assert made["training"]["epochs"] == 3
    assert made["training"]["weights"] == "global"  # the trainer goes on from the current model
    assert made["current_model"] == f"task-{root}/1"
    assert made["deployment_id"] == f"deployment-{root}-1"
    assert [s["labeling_path"] for s in made["earlier"]] == [f"labels/{root}"]
    assert made["taken_paths"] == [f"frames/{root}"]
    assert made["avoid_s"] == [[0.0, 3.0], [7.0, 12.5]]
    assert made["last_results"] == f"inference_results/{root}"
    assert made["global_results"] == f"inference_results/{root}/global"
    with door.platform.reads() as session:
        names = session.scalars(
            select(Outgoing.name).where(Outgoing.task_id == task_id).order_by(Outgoing.id)
        ).all()
        rows = session.scalars(select(Round).where(Round.root_id == root)).all()
    assert names == ["EVENT_TASK_SUBMITTED", "EVENT_FRAME_CHOICE_REQUESTED"]
    assert sorted((r.number, r.task_id) for r in rows) == [(1, root), (2, task_id)]


def test_what_is_not_said_is_as_in_round_one(door, ann) -> None:
    root = round_one(door)
    made = context(door, ann.post(f"/tasks/{root}/rounds").json()["task_id"])
    assert (made["num_frames"], made["labeler"], made["training"]["epochs"]) == (20, "folder", 7)


def test_the_next_round_begins_when_the_last_is_done(door, ann) -> None:
    root = round_one(door)
    second = ann.post(f"/tasks/{root}/rounds").json()["task_id"]
    refused = ann.post(f"/tasks/{root}/rounds")
    assert (refused.status_code, refused.json()["code"]) == (409, "RoundOpen")
    assert "Round 2 is still open at step frame_choice" in refused.json()["detail"]
    finish(door, second, 2, 0.5)
    third = ann.post(f"/tasks/{second}/rounds")  # any round stands for its root
    made = context(door, third.json()["task_id"])
    assert (made["round"], made["root_task_id"]) == (3, root)
    assert made["current_model"] == f"task-{root}/2"
    assert made["last_results"] == f"inference_results/{second}"
    assert made["taken_paths"] == [f"frames/{root}", f"frames/{second}"]


def test_after_a_rollback_the_older_model_is_what_a_round_begins_with(door, ann) -> None:
    root = round_one(door)
    finish(door, ann.post(f"/tasks/{root}/rounds").json()["task_id"], 2, 0.3)
    with door.platform.sessions.begin() as session:
        for version, state in ((2, "RETIRED"), (1, "CURRENT")):
            named = Model.name == f"task-{root}", Model.version == version
            session.execute(update(Model).where(*named).values(state=state))
    made = context(door, ann.post(f"/tasks/{root}/rounds").json()["task_id"])
    assert made["current_model"] == f"task-{root}/1"
    assert made["deployment_id"] == f"deployment-{root}-1"
    assert made["last_results"] == f"inference_results/{root}"


def test_labels_of_a_round_that_was_given_up_are_not_lost(door, ann) -> None:
    root = round_one(door)
    labelled = ann.post(f"/tasks/{root}/rounds").json()["task_id"]
    paths = {"labeling_path": f"labels/{labelled}", "frame_path": f"frames/{labelled}"}
    cancel(door, labelled, **paths)
    early = ann.post(f"/tasks/{root}/rounds").json()["task_id"]
    cancel(door, early, frame_path=f"frames/{early}")  # nobody had labelled these
    made = context(door, ann.post(f"/tasks/{root}/rounds").json()["task_id"])
    assert made["round"] == 4
    assert [s["frame_path"] for s in made["earlier"]] == [f"frames/{root}", f"frames/{labelled}"]
    assert made["taken_paths"] == [f"frames/{root}", f"frames/{labelled}"]


def test_round_one_must_have_succeeded(door, ann) -> None:
    waiting = door.submit("ann")
    refused = ann.post(f"/tasks/{waiting}/rounds")
    assert (refused.status_code, refused.json()["code"]) == (409, "RoundOneUnfinished")
    door.begin(waiting)
    door.fail(waiting, MediaRejected("no video"))
    assert "has failed" in ann.post(f"/tasks/{waiting}/rounds").json()["detail"]


def test_nonsense_is_refused_with_a_sentence(door, ann, bob) -> None:
    root = round_one(door)
    cases = {
        "num_frames": {"num_frames": 0},
        "budget": {
            "budget": dict.fromkeys(("uniform", "diversity", "uncertainty", "track_breaks"), 0)
        },
        "labeler": {"labeler": "crayons"},
        "colour": {"colour": "red"},
        "promotion.margin": {"promotion": {"margin": 3}},
        "weights": {"training": {"weights": "task-of-somebody/1"}},
    }
    for where, wish in cases.items():
        refused = ann.post(f"/tasks/{root}/rounds", json=wish)
        assert refused.status_code == 422, where
        assert where.split(".")[-1] in refused.text
    for named in ({"weights": f"task-{root}/1"}, {"architecture": f"task-{root}/1"}):
        stolen = bob.post(f"/tasks/{round_one(door, 'bob')}/rounds", json={"training": named})
        assert (stolen.status_code, "of yours" in stolen.text) == (422, True), named
        assert ann.post(f"/tasks/{round_one(door)}/rounds", json={"training": named}).is_success
    for method, path in (("POST", "rounds"), ("GET", "rounds"), ("GET", "triggers")):
        assert bob.request(method, f"/tasks/{root}/{path}").status_code == 404


def test_the_same_key_gives_the_same_round(door, ann) -> None:
    root = round_one(door)
    headers = {"Idempotency-Key": f"second-{root}"}
    answers = []

    def ask() -> None:
        answers.append(ann.post(f"/tasks/{root}/rounds", json={}, headers=headers))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["task_id"] for a in answers}) == 1
    other = ann.post(f"/tasks/{root}/rounds", json={"num_frames": 9}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "KeyReused")


def test_of_many_at_once_one_begins(door, ann) -> None:
    root = round_one(door)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(ann.post(f"/tasks/{root}/rounds")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [202] + [409] * 5
    with door.platform.reads() as session:
        numbers = session.scalars(select(Round.number).where(Round.root_id == root)).all()
    assert sorted(numbers) == [1, 2]


def test_the_rounds_are_told_with_their_figures_and_a_curve(door, ann) -> None:
    root = round_one(door)
    alone = ann.get(f"/tasks/{root}/rounds").json()
    assert [r["number"] for r in alone["rounds"]] == [1]
    assert alone["rounds"][0]["figures"]["new"]["map50_95"] == 0.40
    assert "says nothing" in alone["curve"]["advice"]
    for number, score in ((2, 0.47), (3, 0.50)):
        chosen = {"uniform": 4, "diversity": 16}
        task_id = ann.post(f"/tasks/{root}/rounds").json()["task_id"]
        told = ann.get(f"/tasks/{root}/rounds").json()["rounds"][-1]
        assert (told["state"], told["waits_for"]) == ("QUEUED", "frame_choice")
        facts = {"decision": "CURRENT", "reason": "It is better.", "chosen": chosen}
        if number == 3:
            facts["tracking"] = {"frames": 15, "new": {"idf1": 0.93, "switches": 2}}
        finish(door, task_id, number, score, against=f"task-{root}/{number - 1}", **facts)
    seen = ann.get(f"/tasks/{root}/rounds").json()
    assert seen["current_model"] == f"task-{root}/3"
    last = seen["rounds"][-1]
    assert (last["decision"], last["reason"], last["chosen"]) == (
        "CURRENT",
        "It is better.",
        chosen,
    )
    assert (last["frames"], last["model_state"], last["waits_for"]) == (60, "CURRENT", None)
    assert last["effort"]["moved"] == 6
    figures = last["figures"]
    assert figures["current"] == {"model": f"task-{root}/2", "map50": 0.7, "map50_95": 0.35}
    assert figures["global"]["map50_95"] == 0.2
    assert figures["tracking"]["new"] == {"idf1": 0.93, "switches": 2}
    assert "tracking" not in seen["rounds"][1]["figures"]
    assert [p["frames"] for p in seen["curve"]["points"]] == [20, 40, 60]
    following = seen["curve"]["next"]
    assert 0 <= following["low"] <= following["expected"] <= following["high"]
    assert "90 % interval" in seen["curve"]["advice"]
    assert "4 minutes" in seen["curve"]["advice"]  # 20 frames of 12 s


def test_rows_are_completed_once_and_again_after_a_retry(door, ann) -> None:
    root = round_one(door)
    task_id = ann.post(f"/tasks/{root}/rounds").json()["task_id"]
    round_views.settle(door.platform)
    with door.platform.reads() as session:
        row = session.get_one(Round, task_id)
        assert row.finished_at is None
        assert session.get_one(Round, root).comparison["new"]["map50_95"] == 0.40
    finish(door, task_id, 2, 0.5, decision="CANDIDATE", reason="Not better by 0.005.")
    assert round_views.settle(door.platform) == 1
    assert round_views.settle(door.platform) == 0
    with door.platform.reads() as session:
        row = session.get_one(Round, task_id)
    assert (row.decision, row.reason) == ("CANDIDATE", "Not better by 0.005.")
    assert row.comparison["new"] == {"map50": pytest.approx(0.8), "map50_95": 0.5}
    assert row.effort["accepted"] == 30
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, task_id)
        task.context = {**task.context, "decision": "CURRENT"}
        task.finished_at = task.created_at
    assert round_views.settle(door.platform) == 1
