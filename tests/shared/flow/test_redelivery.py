"""A request event that comes again after its consumer died over it."""

from __future__ import annotations

import time

import pytest
from celery.exceptions import Retry
from sqlalchemy import text

from shared.db.models import Outgoing, StepRun
from shared.flow import consumer
from shared.flow.claims import WorkRef
from shared.flow.execution import BOOKKEEPING, register
from shared.flow.states import State
from tests.shared.flow import probe_service
from tests.shared.flow.conftest import ProbeMesh


def test_a_run_that_has_begun_is_sent_again_and_still_happens_once(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 1.0})
    deadline = time.monotonic() + 20
    while (run := mesh.look(task_id)[1][0]).state != State.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with mesh.platform.reads() as session:
        asked = session.query(Outgoing).filter_by(event_id=run.event_id).one()
    consumer.handle(mesh.platform, "probe", asked.name, asked.body)
    assert not [q for q in mesh.platform.broker.loads() if q.name == "probe" and q.pending]
    consumer.handle(mesh.platform, "probe", asked.name, asked.body, again=True)
    task = mesh.wait(task_id)
    assert task.state == State.SUCCEEDED
    assert sorted(mesh.ran(task_id)) == ["first", "join", "last", "left", "right", "summarise"]


def test_a_copy_that_stepped_aside_for_a_day_is_not_given_up_for_it(mesh: ProbeMesh) -> None:
    app = mesh.platform.celery
    app.tasks.pop("probe.first", None)  # Celery gives every app the tasks of those before it
    register(app, "probe", probe_service.first, mesh.platform)
    copy = app.tasks["probe.first"]
    task_id = mesh.submit(first={"work_s": 5.0})
    deadline = time.monotonic() + 20
    while "first" not in mesh.ran(task_id):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    task, (run, *_) = mesh.look(task_id)
    same = {name: getattr(run, name) for name in ("task_id", "attempt", "token")}
    ref = WorkRef(**same, user_id=task.user_id, pipeline="probe", step=run.name, step_run_id=run.id)
    job, beside = {}, {"ref": ref.model_dump(), "last": False}
    retries = BOOKKEEPING.times  # so often it was sent again
    copy.push_request(args=[job], kwargs=beside, retries=retries, called_directly=False)
    try:
        with pytest.raises(Retry) as aside:
            copy.run(job, **beside)
    finally:
        copy.pop_request()
    assert aside.value.sig.options["retries"] == 0
    assert mesh.wait(task_id).state == State.SUCCEEDED
    assert mesh.ran(task_id).count("first") == 1


def test_a_run_that_is_over_is_not_sent_again(mesh: ProbeMesh) -> None:
    task_id = mesh.submit()
    mesh.wait(task_id)
    with mesh.platform.reads() as session:
        run = session.query(StepRun).filter_by(task_id=task_id, name="probe").one()
        asked = session.query(Outgoing).filter_by(event_id=run.event_id).one()
    consumer.handle(mesh.platform, "probe", asked.name, asked.body, again=True)
    time.sleep(0.5)
    assert len(mesh.ran(task_id)) == 6


def test_an_event_that_nobody_will_ever_understand_fails_its_step_at_once(mesh: ProbeMesh) -> None:
    task_id = mesh.submit(first={"work_s": 10.0})
    body = {"task_id": task_id, "nonsense": True}
    with mesh.platform.celery.producer_or_acquire() as producer:
        headers = {"event": "EVENT_PROBE_REQUESTED"}
        producer.publish(body, exchange="", routing_key="probe.events", headers=headers)
    task = mesh.wait(task_id)
    assert task.state == State.FAILED
    assert "EVENT_PROBE_REQUESTED was given up after 1 delivery" in task.error["message"]


def test_an_event_waits_while_the_database_cannot_take_it(mesh: ProbeMesh) -> None:
    with mesh.platform.engine.begin() as database:
        database.execute(text("ALTER TABLE inbox RENAME TO inbox_away"))
    task_id = mesh.submit()
    time.sleep(1.0)
    state, _ = mesh.look(task_id)
    with mesh.platform.engine.begin() as database:
        database.execute(text("ALTER TABLE inbox_away RENAME TO inbox"))
    assert state.state == State.QUEUED
    assert mesh.wait(task_id).state == State.SUCCEEDED
