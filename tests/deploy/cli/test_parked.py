"""`actverse parked` and `actverse topology`, on messages that were really put aside."""

from __future__ import annotations

import json
import re

import pytest
from kombu import Connection

from shared.flow import parking
from tests.shared.web.door import Door

TASK = "aa58a761-68fa-4ce2-8ca6-8047e1f14bf8"  # as long as they are; there is no such task


@pytest.fixture
def refused(door: Door) -> int:
    """The id of a parked message: an event that nobody understands, refused by its consumer."""
    with door.platform.celery.connection_for_write() as connection:
        _publish_and_refuse(connection)
    parking.take(door.platform)
    with door.platform.reads() as session:
        return parking.waiting(session)[0].id


def _publish_and_refuse(connection: Connection) -> None:
    channel = connection.default_channel
    connection.Producer(channel).publish(
        {"task_id": TASK, "event_id": "e-1"},
        routing_key="model_trainer.events",
        headers={"event": "EVENT_FROM_ANOTHER_TIME"},
    )
    while (message := channel.basic_get("model_trainer.events")) is None:
        pass
    message.reject(requeue=False)


def test_list_and_show_tell_what_it_was(refused: int, actverse) -> None:
    listed = actverse("parked", "list").stdout
    assert "EVENT_FROM_ANOTHER_TIME" in listed
    assert "rejected" in listed, "a name that is long must not push the reason out"
    [found] = [
        m for m in json.loads(actverse("parked", "list", "--json").stdout) if m["id"] == refused
    ]
    assert (found["queue"], found["reason"]) == ("model_trainer.events", "rejected")
    shown = json.loads(actverse("parked", "show", str(refused)).stdout)
    assert shown["content"] == {"task_id": TASK, "event_id": "e-1"}
    assert shown["settled"] is None
    actverse("parked", "discard", str(refused))


def test_a_dry_run_changes_nothing(refused: int, actverse, door: Door) -> None:
    for verb in ("replay", "discard"):
        told = actverse("parked", verb, "--all", "--dry-run").stdout
        assert f"{refused}: would {verb} EVENT_FROM_ANOTHER_TIME" in told
    with door.platform.reads() as session:
        assert parking.show(session, refused).settled is None
    actverse("parked", "discard", str(refused))


def test_replay_sends_it_to_its_queue_with_its_id(refused: int, actverse, door: Door) -> None:
    told = actverse("parked", "replay", str(refused)).stdout
    assert told.strip() == (
        f"{refused}: EVENT_FROM_ANOTHER_TIME was sent to model_trainer.events again."
    )
    with door.platform.celery.connection_for_write() as connection:
        channel = connection.default_channel
        while (message := channel.basic_get("model_trainer.events")) is None:
            pass
        assert message.payload["event_id"] == "e-1"
        message.ack()


def test_discard_forgets_all_but_the_history(refused: int, actverse, door: Door) -> None:
    assert f"{refused}: discarded" in actverse("parked", "discard", "--all").stdout
    assert "nothing is parked" in actverse("parked", "list").stdout
    assert json.loads(actverse("parked", "show", str(refused)).stdout)["settled"] == "discarded"


def test_one_must_say_which(actverse) -> None:
    for arguments in (("replay",), ("discard", "1", "--all")):
        result = actverse("parked", *arguments)
        assert result.exit_code == 2
        assert "--all" in re.sub(r"\x1b\[[0-9;]*m", "", result.output)


def test_the_topology_is_listed_applied_and_verified(actverse, door: Door) -> None:
    assert "EVENT_MODEL_TRAINING_REQUESTED" in actverse("topology", "list").stdout
    assert actverse("topology", "verify").exit_code == 0
    with door.platform.celery.connection_for_write() as connection:
        connection.default_channel.queue_delete("model_deployer")
    missing = actverse("topology", "verify")
    assert missing.exit_code == 1
    assert "Queue model_deployer is missing" in missing.stdout
    assert actverse("topology", "apply").exit_code == 0
    assert actverse("topology", "verify").exit_code == 0
