"""The same tables on PostgreSQL, with as many rows as a busy year brings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError

from shared import wiring
from shared.db import migrate
from shared.db.direct import Direct, transaction
from shared.db.engine import open_engine
from shared.db.models import StepRun, Task, TaskEvent, User
from shared.flow import ledger, parking, reviver, sweeper, wishes
from shared.flow.states import State
from shared.pipelines import atlas
from shared.platform import Platform
from shared.progress.board import publish_progress
from shared.settings import Settings
from tests.servers.postgres import Postgres
from tests.shared.db.plans import Plans
from tests.shared.db.test_database import BIG, _ask_the_gateway

ROOT = Path(__file__).resolve().parents[3]
TASKS = 100_000
ROWS = f"""
INSERT INTO users (id, name, role, language, notify_urls, created_at)
  SELECT 'user-' || n, 'user ' || n, 'user', 'en', '[]', now() FROM generate_series(0, 99) n;
INSERT INTO tasks (id, user_id, pipeline, state, options, context, idempotency_key, created_at)
  SELECT 'task-' || lpad(n::text, 5, '0'), 'user-' || n % 100, 'vision',
    CASE WHEN n % 100 = 0 THEN 'RUNNING' WHEN n % 100 = 1 THEN 'FAILED' ELSE 'SUCCEEDED' END,
    '{{"file_path": "x"}}', '{{"file_path": "x"}}', 'key-' || n, now() - n * interval '1 minute'
  FROM generate_series(0, {TASKS - 1}) n;
INSERT INTO step_runs (task_id, name, service, position, attempt, state, token, progress, figures,
    queued_at, started_at, deadline_at)
  SELECT t.id, s.name, s.service, s.position, 1, t.state, t.id || s.position, 0, '{{}}',
    t.created_at, t.created_at, now() + interval '9 days'
  FROM tasks t, (VALUES ('video_processing', 'video_processor', 0)) s (name, service, position);
INSERT INTO work_runs (step_run_id, task, state, holder, held_until, tries, progress, started_at)
  SELECT id, 'download', 'RUNNING', 'h', now() + interval '9 days', 1, 0, now() FROM step_runs;
INSERT INTO task_events (task_id, kind, data, at) SELECT task_id, 'state', '{{}}', now() FROM step_runs;
INSERT INTO outbox (event_id, name, task_id, body, created_at, published_at, due_at, tries)
  SELECT 'event-' || id, 'EVENT_TASK_COMPLETED', id, '{{}}', now(), now(), now(), 0 FROM tasks;
INSERT INTO inbox (consumer, event_id, at) SELECT 'probe', 'event-' || id, now() FROM tasks;
INSERT INTO outputs (task_id, name, key, uri, bytes, sha256, content_type, created_at)
  SELECT id, 'results.csv', 'k', 'u', 1, '0', 'text/csv', now() FROM tasks;
"""


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    made = postgres.fresh()
    yield made
    postgres.drop(made)


@pytest.fixture(scope="module")
def platform(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = wiring.build(Settings(data_dir=tmp_path_factory.mktemp("data"), database=url))
    migrate.upgrade(made.engine)
    made.broker.apply()
    with made.engine.begin() as connection:
        for statement in ROWS.split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
    with made.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield made
    made.engine.dispose()


def test_the_models_are_what_the_migrations_make(platform: Platform) -> None:
    assert migrate.differences(platform.engine) == []
    assert not migrate.pending(platform.engine)


def test_migrations_go_down_and_up_again(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    migrate.upgrade(engine)
    command.downgrade(migrate._config(engine), "base")
    assert migrate.pending(engine)
    migrate.upgrade(engine)
    migrate.upgrade(engine)  # harmless
    assert migrate.differences(engine) == []
    engine.dispose()


def test_several_processes_may_migrate_at_once(postgres_url: str) -> None:
    program = (
        "import sys; from shared.db import migrate; from shared.db.engine import open_engine; "
        "migrate.upgrade(open_engine(sys.argv[1]))"
    )
    argv = [sys.executable, "-c", program, postgres_url]
    several = [subprocess.Popen(argv, cwd=ROOT) for _ in range(3)]
    assert [process.wait(60) for process in several] == [0, 0, 0]
    engine = open_engine(postgres_url)
    assert not migrate.pending(engine)
    engine.dispose()


class PostgresPlans(Plans):
    """As PostgreSQL plans them."""

    def scans_of(self, connection: Connection, statement: str, parameters: Any) -> list[str]:
        explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        plan = json.dumps(explained.scalar())
        return [
            f"{name}: {statement}"
            for name in re.findall(r'"Seq Scan".*?"Relation Name": "(\w+)"', plan)
            if name in BIG and name != "models"  # that one is empty here
        ]


def test_what_the_gateway_asks_has_an_index(platform: Platform) -> None:
    with PostgresPlans(platform.engine) as plans, platform.reads() as session:
        _ask_the_gateway(session)
        parking.by_queue(session)
        parking.waiting(session)
    assert len(plans.statements) > 20
    assert plans.scans() == []


def test_what_the_flow_asks_has_an_index(platform: Platform) -> None:
    with PostgresPlans(platform.engine) as plans:
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
        with platform.sessions.begin() as session:
            wishes.cancel(session, platform.bus, session.get_one(Task, task.id))
        sweeper.sweep(platform)
        sweeper.forget_old(platform)
        platform.bus.relay()
        reviver.revive(platform)
        platform.news.since(0)
        platform.news.since(0)
    assert len(plans.statements) > 15
    assert plans.scans() == []


def test_a_full_scan_would_be_noticed(platform: Platform) -> None:
    with PostgresPlans(platform.engine) as plans, platform.reads() as session:
        session.scalars(select(Task).where(Task.pipeline == "nothing").limit(1)).all()
    assert plans.scans()


def _task(platform: Platform) -> str:
    with platform.sessions.begin() as session:
        return wishes.submit(
            session,
            platform.bus,
            atlas.pipeline("vision"),
            atlas.pipeline("vision").options(file_path="https://example.org/a.mp4"),
            user_id="user-2",
        ).id


@pytest.fixture
def door(platform: Platform) -> Iterator[Platform]:
    """As the gateway has it: what it stores is sent by others."""
    door = wiring.build(platform.settings)
    door.bus.leave_to_relay()
    yield door
    door.engine.dispose()


def _alone(platform: Platform, key: str) -> str:
    return wishes.submit_alone(
        platform.sessions,
        platform.bus,
        atlas.pipeline("vision"),
        atlas.pipeline("vision").options(file_path="https://example.org/a.mp4"),
        user_id="user-3",
        idempotency_key=key,
    ).id


def _count(platform: Platform) -> list[int]:
    with platform.reads() as session:
        tables = ("tasks", "step_runs", "task_events", "outbox")
        return [session.scalars(text(f"SELECT count(*) FROM {name}")).one() for name in tables]


def test_a_new_task_with_its_steps_and_events_is_one_transaction(door: Platform) -> None:
    """Of one statement: what it wrote carries the number of its transaction."""
    task_id = _alone(door, "once")
    places = {"tasks": "id", "step_runs": "task_id", "task_events": "task_id", "outbox": "task_id"}
    found = []
    with door.reads() as session:
        for name, column in places.items():
            query = text(f"SELECT xmin::text FROM {name} WHERE {column} = :task")
            found.append(session.scalars(query, {"task": task_id}).all())
    steps = len(atlas.pipeline("vision").steps)
    assert [len(rows) for rows in found] == [1, steps, 1, 2]
    assert len({number for rows in found for number in rows}) == 1


def test_a_task_that_is_refused_leaves_nothing(door: Platform) -> None:
    _alone(door, "twice")
    before = _count(door)
    with pytest.raises(IntegrityError):
        _alone(door, "twice")
    assert _count(door) == before


def test_the_events_of_a_task_become_visible_in_the_order_of_their_ids(platform: Platform) -> None:
    """Who read up to an id never finds a smaller one later, however slowly somebody commits."""
    task_id = _task(platform)
    seen: list[int] = []
    wrong: list[tuple[int, list[int]]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            with platform.reads() as session:
                found = session.scalars(
                    select(TaskEvent.id).where(TaskEvent.task_id == task_id)
                ).all()
            late = [i for i in found if seen and i < max(seen) and i not in seen]
            if late:
                wrong.append((max(seen), late))
            seen.extend(i for i in found if i not in seen)

    def write(slowly: float) -> None:
        for n in range(15):
            with transaction(platform.engine) as direct:
                ledger._note(direct, task_id, None, "note", {"n": n})
                time.sleep(slowly)  # it took its place long before it commits

    watcher = threading.Thread(target=watch)
    writers = [threading.Thread(target=write, args=(pause,)) for pause in (0.02, 0.001, 0.007)]
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    watcher.join()
    assert wrong == []
    with platform.reads() as session:
        kinds = session.scalars(select(TaskEvent.kind).where(TaskEvent.task_id == task_id)).all()
    assert kinds.count("note") == 45


def test_what_is_rolled_back_was_never_told(platform: Platform) -> None:
    task_id = _task(platform)
    with pytest.raises(LookupError), platform.sessions.begin() as session:
        ledger.note(session, task_id, None, "note", n=1)
        raise LookupError
    with platform.sessions.begin() as session:
        session.get_one(User, "user-2").language = "ko"  # the same connection, perhaps
    with platform.reads() as session:
        kinds = session.scalars(select(TaskEvent.kind).where(TaskEvent.task_id == task_id)).all()
    assert "note" not in kinds


def test_many_move_the_same_task_without_a_deadlock(platform: Platform) -> None:
    """Whoever refers to a task need not wait for who changes it; the lock of its events is last."""
    task_id = _task(platform)
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            for _ in range(20):
                with platform.sessions.begin() as session:
                    direct = Direct(session.connection())
                    direct.run(ledger.OWNER, task=task_id)
                    runs = ledger.latest_runs(session, task_id)
                    chosen = runs[number % len(runs)]
                    ledger.note(session, task_id, chosen.name, "note", n=number)
                    session.get_one(StepRun, chosen.id).message = f"{number}"
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_data_folder_is_not_needed_for_it(url: str, tmp_path: Path) -> None:
    made = wiring.build(Settings(data_dir=tmp_path, database=url))
    with made.reads() as session:
        assert session.get_one(Task, "task-00007").created_at.tzinfo is not None
    made.engine.dispose()
