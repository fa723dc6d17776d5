"""The verbs of rounds and of versions, against a live gateway."""

from __future__ import annotations

import json

from shared.errors import ActverseError
from tests.services.model_trainer.rounds_world import finish, round_one


def test_rounds_are_begun_and_told(door, actverse) -> None:
    root = round_one(door)
    begun = actverse(
        "rounds", root, "--new", "--frames", "9", "--options", '{"training": {"epochs": 2}}'
    )
    task_id = begun.stdout.strip()
    with door.client() as client:
        options = client.get(f"/tasks/{task_id}").json()["options"]
    assert (options["num_frames"], options["training"]["epochs"], options["round"]) == (9, 2, 2)
    shown = actverse("rounds", root).stdout
    assert "QUEUED frame_choice" in shown
    facts = {"decision": "CANDIDATE", "reason": "Not sure enough.", "chosen": {"track_breaks": 9}}
    finish(door, task_id, 2, 0.456, against=f"task-{root}/1", **facts)
    shown = actverse("rounds", root).stdout
    for said in (
        "breaks 9",
        "0.456",
        "30 accepted, 6 moved",
        "; Not sure enough.",
        "12.0 s",
    ):
        assert said in shown, said
    assert "two rounds are no curve" in shown
    told = json.loads(actverse("rounds", root, "--json").stdout)
    assert [r["number"] for r in told["rounds"]] == [1, 2]


def test_the_same_key_begins_one_round_and_another_is_refused(door, actverse) -> None:
    root = round_one(door)
    first = actverse("rounds", root, "--new", "--key", "again")
    assert actverse("rounds", root, "--new", "--key", "again").stdout == first.stdout
    for arguments, sentence in (
        (("rounds", root, "--new"), "Round 2 is still open"),
        (("rounds", root, "--new", "--options", "["), "not JSON"),
        (("rounds", "nope"), "There is no task nope"),
        (("models", root, "promote"), "Say which one"),
        (("models", "nope"), "There is no task nope"),
    ):
        refused = actverse(*arguments)
        assert isinstance(refused.exception, ActverseError), arguments
        assert sentence in str(refused.exception)


def test_versions_are_listed(door, actverse) -> None:
    root = round_one(door)
    shown = actverse("models", root).stdout
    assert f"task-{root}" in shown
    assert "CURRENT" in shown
    assert json.loads(actverse("models", root, "--json").stdout)["current"] == 1
