"""What a server lost is sent again, from what the database knows; without any harm."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from shared.db.models import Outgoing, StepRun, WorkRun, now
from shared.flow import reviver
from shared.flow.states import State
from tests.shared.flow.conftest import ProbeMesh
from tests.shared.flow.test_flow import ALL


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled_after(monkeypatch, 0.5)
    monkeypatch.setattr(reviver, "UNANSWERED", timedelta(seconds=0.5))


def stalled_after(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(reviver, "STALLED", timedelta(seconds=seconds))


def purge(mesh: ProbeMesh) -> None:
    with mesh.platform.celery.connection_for_write() as connection:
        connection.default_channel.queue_purge("probe")


def halted(mesh: ProbeMesh, *done: str) -> str:
    """A task whose step stands still after `done`: the rest of its canvas was lost.

    No worker runs meanwhile.
    """
    task_id = mesh.submit()
    mesh.dispatch(task_id)
    purge(mesh)
    with mesh.platform.sessions.begin() as session:
        run = session.query(StepRun).filter_by(task_id=task_id, name="probe").one()
        run.state = State.RUNNING if done else State.QUEUED
        run.started_at = now() if done else None
        for total, name in enumerate(done, 1):
            job = {
                "task_id": task_id,
                "user_id": mesh.user_id,
                "plan": {"marks": str(mesh.marks)},
                "total": total,
                "seen": [name],
            }
            session.add(
                WorkRun(
                    step_run_id=run.id,
                    task=name,
                    state=State.SUCCEEDED,
                    tries=1,
                    progress=1.0,
                    job=job,
                    started_at=now(),
                    finished_at=now(),
                )
            )
    return task_id


def move_ahead(mesh: ProbeMesh, task_id: str) -> None:
    """Everything that is known of the step is said to have happened in two hours."""
    ahead = now() + timedelta(hours=2)
    with mesh.platform.sessions.begin() as session:
        run = session.query(StepRun).filter_by(task_id=task_id, name="probe").one()
        run.queued_at = run.started_at = ahead
        for work in session.query(WorkRun).filter_by(step_run_id=run.id):
            work.started_at = work.finished_at = ahead


STANDSTILLS: tuple[tuple[tuple[str, ...], list[str]], ...] = (
    ((), ALL),
    (("first",), ALL[1:]),
    (("first", "left"), ["right", *ALL[3:]]),
    (("first", "left", "right"), ALL[3:]),
    (("first", "left", "right", "join"), ALL[4:]),
)


def test_steps_that_stand_still_go_on_where_they_were(
    mesh: ProbeMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    mesh.stop_workers()
    stalled_after(monkeypatch, 3600)  # until all of them stand still
    halts = [(halted(mesh, *done), left) for done, left in STANDSTILLS]
    done, left = STANDSTILLS[3]
    halts.append((halted(mesh, *done), left))
    move_ahead(mesh, halts[-1][0])  # by a clock that was wrong for a while
    stalled_after(monkeypatch, 0.5)
    mesh.start_worker()
    for task_id, left in halts:
        assert mesh.wait(task_id).state == State.SUCCEEDED
        assert sorted(mesh.ran(task_id)) == sorted(left)


def test_a_request_that_the_broker_lost_is_sent_again(mesh: ProbeMesh) -> None:
    mesh.stop_workers()
    task_id = mesh.submit()
    with mesh.platform.celery.connection_for_write() as connection:
        connection.default_channel.queue_purge("probe.events")
    with mesh.platform.sessions.begin() as session:
        session.execute(
            update(Outgoing)
            .where(Outgoing.task_id == task_id)
            .values(published_at=now() - timedelta(seconds=60))
        )
    mesh.start_worker()
    assert mesh.wait(task_id).state == State.SUCCEEDED


def test_what_works_or_waits_is_left_alone(
    mesh: ProbeMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled_after(monkeypatch, 1.5)  # a busy machine may need a while between two works
    task_id = mesh.submit(first={"work_s": 2.0}, last={"retry": 1})
    assert mesh.wait(task_id).state == State.SUCCEEDED
    with mesh.platform.reads() as session:
        runs = session.query(StepRun).filter_by(task_id=task_id).all()
    assert [run.revived_at for run in runs] == [None, None]
    assert mesh.ran(task_id).count("first") == 1
