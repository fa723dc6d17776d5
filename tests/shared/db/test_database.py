"""The database keeps what it promises: migrations, keys, order, and no full scans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.api_gateway import repository
from services.labeling_manager import repository as labelings
from services.model_deployer import repository as deployments
from services.model_inference import repository as inference
from shared import wiring
from shared.bus.outbox import first_time
from shared.db import migrate
from shared.db.direct import Direct
from shared.db.engine import open_engine, readers, writers
from shared.db.models import Incoming, Outgoing, Output, StepRun, Task, TaskEvent, User
from shared.flow import ledger, sweeper, wishes
from shared.flow.states import State
from shared.pipelines import atlas
from shared.platform import Platform
from shared.progress.board import publish_progress
from shared.settings import Settings
from shared.web.paging import Cursor
from shared.web.task_events import events_after
from tests.shared.db.plans import Plans

BIG = ("tasks", "step_runs", "task_events", "outbox", "inbox", "outputs", "models", "work_runs")
TASKS = 1500


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A migrated database with some thousand rows in every table that grows."""
    made = wiring.build(Settings(data_dir=tmp_path_factory.mktemp("data")))
    migrate.upgrade(made.engine)
    made.broker.apply()
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    states = [State.SUCCEEDED] * 8 + [State.FAILED, State.RUNNING]
    with made.sessions.begin() as session:
        session.add_all(User(id=f"user-{n}", name=f"user {n}") for n in range(5))
        session.flush()
        session.execute(
            Task.__table__.insert(),
            [
                {
                    "id": f"task-{n:05}",
                    "user_id": f"user-{n % 5}",
                    "pipeline": "vision",
                    "state": states[n % 10],
                    "options": {"file_path": "x"},
                    "context": {"file_path": "x"},
                    "idempotency_key": f"key-{n}",
                    "created_at": begin + timedelta(seconds=n // 7),
                }
                for n in range(TASKS)
            ],
        )
        for n in range(TASKS):
            for position, step in enumerate(atlas.PIPELINES["vision"].steps[:3]):
                session.add(
                    StepRun(
                        task_id=f"task-{n:05}",
                        name=step.name,
                        service=step.service,
                        position=position,
                        state=states[n % 10],
                        token=f"token-{n}-{position}",
                        deadline_at=begin + timedelta(days=9000),
                    )
                )
            for _ in range(3):
                session.add(TaskEvent(task_id=f"task-{n:05}", kind="state", data={}))
            session.add(
                Outgoing(
                    event_id=f"event-{n}",
                    name="EVENT_TASK_COMPLETED",
                    task_id=f"task-{n:05}",
                    body={},
                    published_at=begin if n % 50 else None,
                    due_at=begin + timedelta(days=9000),
                )
            )
            session.add(Incoming(consumer="probe", event_id=f"event-{n}", at=begin))
            session.add(
                Output(
                    task_id=f"task-{n:05}",
                    name="results.csv",
                    key="k",
                    uri="u",
                    bytes=1,
                    sha256="0",
                    content_type="text/csv",
                )
            )
    with made.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
    yield made
    made.engine.dispose()


# --- what it is -----------------------------------------------------------------------------------


def test_the_models_are_what_the_migrations_make(platform: Platform) -> None:
    assert migrate.differences(platform.engine) == []
    assert not migrate.pending(platform.engine)


def test_migrations_go_down_and_up_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    migrate.upgrade(engine)
    command.downgrade(migrate._config(engine), "base")
    assert migrate.pending(engine)
    migrate.upgrade(engine)
    migrate.upgrade(engine)  # harmless
    assert migrate.differences(engine) == []


def test_rows_of_an_older_database_survive_the_newer_version(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    command.upgrade(migrate._config(engine), "0001")
    moment = "2026-01-01 00:00:00"
    with engine.begin() as connection:  # by name: the classes have columns that came later
        for row in (
            (
                f"users (id, name, role, language, notify_urls, created_at)"
                f" VALUES ('u', 'u', 'user', 'en', '[]', '{moment}')"
            ),
            (
                f"tasks (id, user_id, pipeline, state, options, context, created_at)"
                f" VALUES ('t', 'u', 'vision', 'QUEUED', '{{}}', '{{}}', '{moment}')"
            ),
            f"task_events (id, task_id, kind, data, at) VALUES (41, 't', 'state', '{{}}', '{moment}')",
        ):
            connection.exec_driver_sql(f"INSERT INTO {row}")
    migrate.upgrade(engine)
    with writers(engine).begin() as session:
        session.add(TaskEvent(task_id="t", kind="state", data={}))
        session.flush()
        assert session.scalars(select(TaskEvent.id).order_by(TaskEvent.id)).all() == [41, 42]


def test_sqlite_lets_readers_read_while_one_writes(platform: Platform) -> None:
    with platform.engine.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}
    with platform.sessions.begin() as writing:
        writing.execute(text("UPDATE tasks SET state = 'FAILED' WHERE id = 'task-00000'"))
        with platform.reads() as reading:
            assert reading.get_one(Task, "task-00000").state == State.SUCCEEDED
        writing.rollback()


def test_nothing_refers_to_what_is_not_there(platform: Platform) -> None:
    with pytest.raises(IntegrityError), platform.sessions.begin() as session:
        session.add(TaskEvent(task_id="nobody", kind="state", data={}))


def test_moments_keep_their_time_zone(platform: Platform) -> None:
    with platform.reads() as session:
        assert session.get_one(Task, "task-00007").created_at.tzinfo is not None


def test_an_id_of_a_task_event_is_never_given_twice(platform: Platform) -> None:
    """The newest progress note replaces the one before; who saw that one must see this one."""
    seen = []
    for fraction in (0.1, 0.2, 0.3):
        with platform.sessions.begin() as session:
            run = session.scalars(select(StepRun).where(StepRun.task_id == "task-00009")).first()
            run.progress = fraction
            publish_progress(session, run)
        with platform.reads() as session:
            seen.append(session.scalar(select(func.max(TaskEvent.id))))
    assert seen == sorted(set(seen))


# --- how it is asked ------------------------------------------------------------------------------


class SqlitePlans(Plans):
    """As SQLite plans them."""

    def scans_of(self, connection: Connection, statement: str, parameters: Any) -> list[str]:
        found = []
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
            scan = re.match(r"SCAN (\w+)(?! USING (COVERING )?INDEX)", row[3])
            if scan and scan[1] in BIG and "CONSTANT" not in row[3]:
                found.append(f"{row[3]}: {statement}")
            if "USE TEMP B-TREE FOR ORDER BY" in row[3] and "FROM tasks" in statement:
                found.append(f"{row[3]}: {statement}")
        return found


def _ask_the_gateway(session: Session) -> None:
    for user_id in (None, "user-1"):
        for state in (None, State.FAILED):
            for after in (None, Cursor.after(datetime(2026, 1, 1, 0, 2, tzinfo=UTC), "x")):
                tasks = repository.page(
                    session, user_id=user_id, state=state, pipeline=None, after=after, limit=20
                )
                repository.views(session, tasks)
    repository.status(Direct(session.connection()), "task-00003", "en")
    events_after(session, {"task-00003": 3, "task-00004": 0})
    repository.output(session, "task-00003", "results.csv")
    repository.known_request(session, "user-1", "key-1", None)
    labelings.open_labelings(session)
    with pytest.raises(Exception, match="No registered model"):
        deployments.registered(session, "models/none/1")
    with pytest.raises(Exception, match="no deployed model"):
        inference.deployment_of(session, "task-00003")


def test_what_the_gateway_asks_has_an_index(platform: Platform) -> None:
    with SqlitePlans(platform.engine) as plans, platform.reads() as session:
        _ask_the_gateway(session)
    assert len(plans.statements) > 25
    assert plans.scans() == []


def test_what_the_flow_asks_has_an_index(platform: Platform) -> None:
    with SqlitePlans(platform.engine) as plans:
        with platform.sessions.begin() as session:
            task = wishes.submit(
                session,
                platform.bus,
                atlas.pipeline("vision"),
                atlas.pipeline("vision").options(file_path="https://example.org/a.mp4"),
                user_id="user-1",
            )
        with platform.sessions.begin() as session:
            run = ledger.latest_runs(session, task.id)[0]
            ledger.move(session, run, {State.PENDING}, State.QUEUED)
            publish_progress(session, run)
            first_time(session, "probe", "event-7")
        with platform.sessions.begin() as session:
            wishes.cancel(session, platform.bus, session.get_one(Task, task.id))
        sweeper.sweep(platform)
        sweeper.forget_old(platform)
        platform.bus.relay()
    assert len(plans.statements) > 15
    assert plans.scans() == []


def test_a_full_scan_would_be_noticed(platform: Platform) -> None:
    with SqlitePlans(platform.engine) as plans, readers(platform.engine)() as session:
        session.scalars(select(Task).where(Task.pipeline == "vision").limit(1)).all()
    assert plans.scans()
