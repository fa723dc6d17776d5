"""Rounds that begin by themselves: for a reason that is told, after a rest, and once."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from services.model_trainer import triggers
from services.model_trainer.engines.drift import (
    chance_limit,
    population_stability_index,
    read_results,
)
from shared.db.learning_models import RetrainTrigger, Round
from shared.db.models import Task, now
from shared.flow import wishes
from shared.flow.states import State
from shared.pipelines import atlas
from tests.services.model_trainer.rounds_world import (
    age,
    finish,
    labelled,
    labels,
    recorded,
    round_one,
)

HEAD = "frame,time_s,track_id,class,confidence,x,y,w,h,model,version\n"


def rounds_of(door, root: str) -> list[int]:
    with door.platform.reads() as session:
        query = select(Round.number).where(Round.root_id == root).order_by(Round.number)
        return list(session.scalars(query))


def put(client, root: str, **settings) -> dict:
    answer = client.put(f"/tasks/{root}/triggers", json=settings)
    assert answer.status_code == 200, answer.text
    return answer.json()


def results(seed: int, *, frames: int = 300, score: float = 0.8, side: float = 30) -> bytes:
    dice = random.Random(seed)
    rows = [
        f"{frame},{frame / 30:.3f},1,mouse,{min(max(dice.gauss(score, 0.1), 0), 1):.3f},"
        f"5,5,{max(dice.gauss(side, 3), 1):.1f},{max(dice.gauss(side, 3), 1):.1f},m,1\n"
        for frame in range(frames)
        for _ in range(2 + (dice.random() < 0.2))
    ]
    return (HEAD + "".join(rows)).encode()


def analysis(door, root: str, content: bytes) -> str:
    """Somebody analysed another video with the current model."""
    pipeline = atlas.pipeline("inference")
    options = pipeline.options(
        deployment_id=f"deployment-{root}-1", inference_data_path="videos/x/normalised.mp4"
    )
    with door.platform.sessions.begin() as session:
        task_id = wishes.submit(
            session,
            door.platform.bus,
            pipeline,
            options,
            user_id=session.get_one(Task, root).user_id,
        ).id
    door.keep(f"inference_results/{task_id}/results.csv", content)
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, task_id)
        task.state, task.finished_at = State.SUCCEEDED, now()
        task.context = {**task.context, "inference_result_path": f"inference_results/{task_id}"}
    return task_id


@pytest.fixture
def root(door):
    task_id = round_one(door)
    age(door, task_id, hours=48)
    door.keep(f"inference_results/{task_id}/results.csv", results(1))
    yield task_id
    with door.platform.sessions.begin() as session:  # the next test has triggers of its own
        row = session.get(RetrainTrigger, task_id)
        if row is not None:
            session.delete(row)


def test_triggers_are_set_shown_and_removed(ann, bob, root) -> None:
    assert ann.get(f"/tasks/{root}/triggers").json()["code"] == "NoTriggers"
    told = put(ann, root, new_labels=30)
    assert told["would_fire"] is False
    assert told["told"].startswith("would not fire: the last round recorded no data set")
    assert ann.get(f"/tasks/{root}/triggers").json() == told
    assert bob.put(f"/tasks/{root}/triggers", json={}).status_code == 404
    for wrong in ({"every_h": 0}, {"drift": {"score": -1}}, {"round": {"num_frames": 0}}, {"x": 1}):
        assert ann.put(f"/tasks/{root}/triggers", json=wrong).status_code == 422
    assert ann.delete(f"/tasks/{root}/triggers").status_code == 204
    assert ann.delete(f"/tasks/{root}/triggers").status_code == 404


def test_a_trigger_starts_from_weights_of_its_owner_only(door, ann, bob, root) -> None:
    """Nobody is asked any more when it fires."""
    theirs = round_one(door, "bob")
    for name in ("weights", "architecture"):
        wish = {"new_labels": 1, "round": {"training": {name: f"task-{root}/1"}}}
        refused = bob.put(f"/tasks/{theirs}/triggers", json=wish)
        assert (refused.status_code, "of yours" in refused.text) == (422, True)
        assert bob.get(f"/tasks/{theirs}/triggers").status_code == 404
        assert ann.put(f"/tasks/{root}/triggers", json=wish).is_success


def test_new_labels_begin_a_round(door, ann, root) -> None:
    put(ann, root, new_labels=30, round={"num_frames": 9})
    recorded(door, root, labels(40))
    labelled(door, root, labels(40, moved=12))
    triggers.fire(door.platform)
    assert rounds_of(door, root) == []
    told = ann.get(f"/tasks/{root}/triggers").json()["told"]
    assert told == "would not fire: 12 of 30 frames have new labels since the last round"
    labelled(door, root, labels(45, moved=25))
    told = ann.get(f"/tasks/{root}/triggers").json()
    assert told["told"].startswith("would fire because 30 of 30 frames")
    triggers.fire(door.platform)
    assert rounds_of(door, root) == [1, 2]
    after = ann.get(f"/tasks/{root}/triggers").json()
    assert "30 of 30" in after["last_reason"]
    assert "still open" in after["told"]
    begun = ann.get(f"/tasks/{root}/rounds").json()["rounds"][-1]["task_id"]
    with door.platform.reads() as session:
        assert session.get_one(Task, begun).options["num_frames"] == 9


def test_two_beats_at_once_begin_one_round(door, ann, root) -> None:
    put(ann, root, every_h=24)
    together = threading.Barrier(4)

    def beat() -> None:
        together.wait()
        triggers.fire(door.platform)

    threads = [threading.Thread(target=beat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rounds_of(door, root) == [1, 2]


def test_it_rests_after_a_round_whatever_the_reason(door, ann, root) -> None:
    put(ann, root, every_h=1, cooldown_h=24)
    triggers.fire(door.platform)
    assert rounds_of(door, root) == [1, 2]
    begun = ann.get(f"/tasks/{root}/rounds").json()["rounds"][-1]["task_id"]
    finish(door, begun, 2, 0.5)
    with door.platform.sessions.begin() as session:  # two hours later
        row = session.get_one(RetrainTrigger, root)
        row.last_fired_at = session.get_one(Task, root).created_at
    age(door, begun, hours=2)
    assert "cools down for another 22.0 h" in ann.get(f"/tasks/{root}/triggers").json()["told"]
    triggers.fire(door.platform)
    assert rounds_of(door, root) == [1, 2]
    age(door, begun, hours=22.1)
    triggers.fire(door.platform)
    assert rounds_of(door, root) == [1, 2, 3]


def test_an_analysis_that_looks_otherwise_begins_a_round_and_a_similar_one_does_not(
    door, ann, root
) -> None:
    assert "no analysis" in put(ann, root, drift={})["told"]
    analysis(door, root, results(2, frames=20))
    assert "20 frames say nothing" in ann.get(f"/tasks/{root}/triggers").json()["told"]
    analysis(door, root, results(3))
    told = ann.get(f"/tasks/{root}/triggers").json()
    assert told["would_fire"] is False
    assert "is alike" in told["told"]
    other = analysis(door, root, results(4, score=0.55))
    told = ann.get(f"/tasks/{root}/triggers").json()
    assert told["would_fire"] is True
    assert f"would fire because analysis {other} drifted: score PSI" in told["told"]
    triggers.fire(door.platform)
    assert rounds_of(door, root) == [1, 2]


def test_a_trigger_that_fails_holds_up_no_other(door, ann, root) -> None:
    broken = round_one(door)
    age(door, broken, hours=48)
    put(ann, broken, every_h=1)
    put(ann, root, every_h=1)
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, broken)
        task.context = {**task.context, "classes": []}
    triggers.fire(door.platform)
    assert rounds_of(door, broken) == []
    assert rounds_of(door, root) == [1, 2]


def test_the_index_is_nothing_for_the_same_and_grows_with_the_difference(tmp_path: Path) -> None:
    dice = random.Random(0)
    here = [dice.gauss(0, 1) for _ in range(4000)]
    shifted = [[dice.gauss(by, 1) for _ in range(4000)] for by in (0.0, 0.3, 1.0)]
    assert population_stability_index(here, here) == 0
    found = [population_stability_index(here, there) for there in shifted]
    assert found == sorted(found)
    assert found[0] < chance_limit(4000, 4000) < found[1]
    assert found[2] > 0.25
    alike = [2.0] * 50
    assert population_stability_index(alike, alike) == 0  # one class only
    file = tmp_path / "results.csv"
    file.write_bytes(results(5, frames=3))
    seen = read_results(file)
    assert seen.frames == 3
    assert len(seen.score) == sum(seen.count)
    file.write_text(HEAD)
    assert read_results(file).frames == 0


def test_chance_exceeds_its_limit_seldom() -> None:
    dice = random.Random(1)
    over = 0
    for _ in range(200):
        here, there = ([dice.random() for _ in range(150)] for _ in range(2))
        over += population_stability_index(here, there) > chance_limit(150, 150)
    assert over <= 3
