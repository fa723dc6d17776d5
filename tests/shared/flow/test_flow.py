"""The flow on the embedded broker, with a real worker: order, faults, one effect."""

from __future__ import annotations

import time

from sqlalchemy import func, select

from shared.db.models import Outgoing, StepRun, TaskEvent
from shared.flow import ledger, parking, sweeper, wishes
from shared.flow.states import State
from tests.shared.flow.conftest import ProbeMesh

ALL = ["first", "left", "right", "join", "last", "summarise"]


def facts(mesh: ProbeMesh, task_id: str) -> list[str]:
    with mesh.platform.reads() as session:
        rows = session.scalars(
            select(Outgoing.name).where(Outgoing.task_id == task_id).order_by(Outgoing.id)
        )
        return list(rows)


def test_a_task_runs_its_steps_in_order_and_ends(mesh: ProbeMesh) -> None:
    task_id = mesh.submit()
    task = mesh.wait(task_id)
    assert task.state == State.SUCCEEDED, task.error
    assert sorted(mesh.ran(task_id)) == sorted(ALL)
    assert task.context["total"] == 6  # first, left, right | join, last | summarise
    assert facts(mesh, task_id) == [
        "EVENT_TASK_SUBMITTED",
        "EVENT_PROBE_REQUESTED",
        "EVENT_PROBED",
        "EVENT_PROBE_SUMMARY_REQUESTED",
        "EVENT_PROBE_SUMMARISED",
        "EVENT_TASK_COMPLETED",
    ]
    _, runs = mesh.look(task_id)
    assert [r.progress for r in runs] == [1.0, 1.0]


def test_a_terminal_error_fails_step_and_task_with_its_sentence(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(last={"fail": "The probe found nothing; look elsewhere."})
    task = mesh.wait(task_id)
    assert task.state == State.FAILED
    assert task.error["message"] == "The probe found nothing; look elsewhere."
    assert task.error["step"] == "probe"
    assert "summarise" not in mesh.ran(task_id)
    assert facts(mesh, task_id)[-2:] == ["EVENT_STEP_FAILED", "EVENT_TASK_FAILED"]


def test_a_bug_fails_the_step_too(mesh: ProbeMesh) -> None:
    task = mesh.wait(mesh.submit(right={"break": "oops"}))
    assert task.state == State.FAILED
    assert task.error["message"] == "ZeroDivisionError: oops"


def test_a_retryable_error_is_tried_again_and_the_users_see_it(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"retry": 2}, left={"retry": 1})
    assert mesh.wait(task_id).state == State.SUCCEEDED
    assert mesh.ran(task_id).count("first") == 3
    assert mesh.ran(task_id).count("left") == 2
    assert mesh.ran(task_id).count("join") == 1


def test_tries_end(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"retry": 99})
    task = mesh.wait(task_id)
    assert task.state == State.FAILED
    assert mesh.ran(task_id) == ["first"] * 5
    assert task.error["code"] == "Retryable"
    assert task.error["status"] == 503
    assert task.error["message"] == (
        "The probe wants another try. Given up after 5 tries; retry the step once that is mended."
    )


def test_a_killed_child_is_followed_by_another(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"kill_child": 1}, right={"kill_child": 1})
    assert mesh.wait(task_id).state == State.SUCCEEDED
    ran = mesh.ran(task_id)
    assert (ran.count("first"), ran.count("right"), ran.count("join")) == (2, 2, 1)


def test_a_child_that_always_dies_is_parked_and_the_step_fails(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"kill_child": 99})
    task = mesh.wait(task_id)
    assert task.state == State.FAILED
    assert task.error["code"] == "Parked"
    assert mesh.ran(task_id) == ["first"] * 4
    with mesh.platform.reads() as session:
        assert parking.by_queue(session) == {"probe": 1}
    assert mesh.wait(mesh.submit()).state == State.SUCCEEDED


def test_a_killed_worker_is_followed_by_another(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(last={"kill_worker": 1})
    mesh.workers[-1].wait(20)
    mesh.start_worker()
    assert mesh.wait(task_id).state == State.SUCCEEDED
    assert mesh.ran(task_id).count("last") == 2
    assert mesh.ran(task_id).count("summarise") == 1


def test_an_event_that_comes_twice_has_one_effect(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 0.5})
    mesh.wait(task_id, lambda t: t.state == State.RUNNING)
    with mesh.platform.sessions.begin() as session:  # as if the relay had died after sending
        session.execute(
            Outgoing.__table__.update().where(Outgoing.task_id == task_id).values(published_at=None)
        )
    mesh.platform.bus.relay()
    assert mesh.wait(task_id).state == State.SUCCEEDED
    mesh.platform.bus.relay()
    assert sorted(mesh.ran(task_id)) == sorted(ALL)


def test_cancel_stops_running_work_at_its_next_report(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 30})
    mesh.wait(task_id, lambda t: t.state == State.RUNNING)
    begun = time.monotonic()
    with mesh.platform.sessions.begin() as session:
        wishes.cancel(session, mesh.platform.bus, session.get_one(ledger.Task, task_id))
    while mesh.look(task_id)[1][0].state == State.RUNNING:
        assert time.monotonic() - begun < 10
        time.sleep(0.05)
    task, runs = mesh.look(task_id)
    assert task.state == State.CANCELLED
    assert {r.state for r in runs} == {State.CANCELLED}
    assert mesh.wait(mesh.submit()).state == State.SUCCEEDED


def test_work_that_does_not_listen_is_ended_with_its_process(mesh: ProbeMesh, monkeypatch) -> None:
    monkeypatch.setattr(sweeper, "CANCEL_GRACE", sweeper.timedelta(seconds=0.5))
    task_id = mesh.submit(first={"deaf_s": 60})
    mesh.wait(task_id, lambda t: t.state == State.RUNNING)
    with mesh.platform.sessions.begin() as session:
        wishes.cancel(session, mesh.platform.bus, session.get_one(ledger.Task, task_id))
    deadline = time.monotonic() + 15
    while mesh.look(task_id)[1][0].state == State.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert mesh.wait(mesh.submit()).state == State.SUCCEEDED


def test_retry_goes_on_at_the_failed_step(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(summarise={"fail": "not yet"})
    assert mesh.wait(task_id).state == State.FAILED
    with mesh.platform.sessions.begin() as session:
        task = session.get_one(ledger.Task, task_id)
        plan = {k: v for k, v in task.context["plan"].items() if k != "summarise"}
        task.context = {**task.context, "plan": plan}
        run = wishes.retry(session, mesh.platform.bus, task, None)
        assert (run.name, run.attempt) == ("probe_summary", 2)
    assert mesh.wait(task_id).state == State.SUCCEEDED
    assert mesh.ran(task_id).count("first") == 1
    assert mesh.ran(task_id).count("summarise") == 2


def seen_by_watchers(mesh: ProbeMesh, task_id: str) -> float:
    """What is shown live, where it is, else what is stored."""
    run = mesh.look(task_id)[1][0]
    note = mesh.platform.live.of([task_id]).get(task_id, {}).get(run.name, {})
    return max(run.progress, note.get("progress", 0.0))


def test_progress_is_stored_as_one_note_a_step(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 1.0})
    seen = []
    while not seen or mesh.look(task_id)[0].state != State.SUCCEEDED:
        seen.append(seen_by_watchers(mesh, task_id))
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert len(set(seen)) > 4
    with mesh.platform.reads() as session:
        notes = session.scalar(
            select(func.count())
            .select_from(TaskEvent)
            .where(TaskEvent.task_id == task_id, TaskEvent.kind == "progress")
        )
        figures = session.scalars(
            select(StepRun.figures).where(StepRun.task_id == task_id, StepRun.name == "probe")
        ).one()
    assert notes <= 2
    assert figures == {"depth": 1.0}
