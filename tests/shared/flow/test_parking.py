"""What is parked can be read, replayed and discarded, whichever broker put it aside."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.db.operation_models import Parked
from shared.errors import Conflict, NotFound
from shared.flow import ledger, parking
from shared.flow.states import State
from tests.shared.flow.conftest import ProbeMesh


def waiting(mesh: ProbeMesh, task_id: str | None) -> Parked:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with mesh.platform.reads() as session:
            found = [one for one in parking.waiting(session) if one.task_id == task_id]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("nothing was parked")


def plan_without(mesh: ProbeMesh, task_id: str, work: str) -> None:
    with mesh.platform.sessions.begin() as session:
        task = session.get_one(ledger.Task, task_id)
        plan = {k: v for k, v in task.context["plan"].items() if k != work}
        task.context = {**task.context, "plan": plan}


def test_parked_work_runs_again_as_a_new_attempt(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(last={"kill_child": 99})
    assert mesh.wait(task_id).error["code"] == "Parked"
    message = waiting(mesh, task_id)
    assert (message.name, message.queue, message.deliveries) == ("probe.last", "probe", 4)
    plan_without(mesh, task_id, "last")
    assert "probe" in parking.replay(mesh.platform, message.id)
    assert mesh.wait(task_id).state == State.SUCCEEDED
    with pytest.raises(Conflict, match="replayed already"):
        parking.replay(mesh.platform, message.id)


def publish(mesh: ProbeMesh, body: dict[str, object], event: str) -> None:
    with mesh.platform.celery.producer_or_acquire() as producer:
        producer.publish(body, exchange="", routing_key="probe.events", headers={"event": event})


def test_a_parked_event_keeps_its_id_when_it_is_replayed(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 20.0})
    mesh.wait(task_id, lambda task: task.state == State.RUNNING)
    body = {"task_id": task_id, "event_id": "the-same", "user_id": mesh.user_id, "plan": 5}
    publish(mesh, body, "EVENT_PROBE_REQUESTED")
    assert mesh.wait(task_id).state == State.FAILED
    message = waiting(mesh, task_id)
    told = parking.replay(mesh.platform, message.id)
    assert told == "EVENT_PROBE_REQUESTED was sent to probe.events again."
    again = waiting(mesh, task_id)  # nobody has mended it
    assert again.id > message.id
    assert '"event_id": "the-same"' in again.content
    task, runs = mesh.look(task_id)
    assert (task.state, runs[0].attempt) == (State.FAILED, 2)
    parking.discard(mesh.platform, again.id)


def test_an_event_of_another_version_is_parked_and_names_itself(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 20.0})
    mesh.wait(task_id, lambda task: task.state == State.RUNNING)
    publish(mesh, {"task_id": task_id, "event_id": "x"}, "EVENT_PROBE_REQUESTED_V7")
    message = waiting(mesh, task_id)
    assert message.name == "EVENT_PROBE_REQUESTED_V7"
    parking.discard(mesh.platform, message.id)


def test_a_discarded_one_is_history(mesh: ProbeMesh) -> None:
    publish(mesh, {"nonsense": True}, "EVENT_PROBE_REQUESTED")
    message = waiting(mesh, None)
    parking.discard(mesh.platform, message.id)
    with mesh.platform.reads() as session:
        assert parking.show(session, message.id).settled == "discarded"
        assert message.id not in [one.id for one in parking.waiting(session)]
    decisions: tuple[Callable[..., object], ...] = (parking.discard, parking.replay)
    for decide in decisions:
        with pytest.raises(Conflict, match="discarded already"):
            decide(mesh.platform, message.id)
        with pytest.raises(NotFound, match="999999"):
            decide(mesh.platform, 999999)


def test_work_that_has_been_overtaken_is_not_replayed(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"kill_child": 99})
    assert mesh.wait(task_id).state == State.FAILED
    message = waiting(mesh, task_id)
    plan_without(mesh, task_id, "first")
    with mesh.platform.sessions.begin() as session:
        parking.wishes.retry(
            session, mesh.platform.bus, session.get_one(ledger.Task, task_id), None
        )
    assert mesh.wait(task_id).state == State.SUCCEEDED
    with pytest.raises(Conflict, match="not what it waits for"):
        parking.replay(mesh.platform, message.id)
    parking.discard(mesh.platform, message.id)
