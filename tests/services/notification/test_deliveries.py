"""What is due is found by an index, however much was sent before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from services.notification import deliveries, repository
from services.notification.deliveries import Receiver
from shared import wiring
from shared.db.models import User, now
from shared.db.operation_models import NoticeDelivery, Webhook, WebhookDelivery
from shared.platform import Platform
from shared.settings import Settings
from tests.shared.db import prepared

MANY = 5000
TABLES = "notice_deliveries|webhook_deliveries|webhooks"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Fifty receivers, thousands of messages; one in a hundred is due."""
    made = wiring.build(Settings(data_dir=tmp_path_factory.mktemp("data")))
    prepared.upgrade(made.engine)
    moment = now()
    with made.sessions.begin() as session:
        session.add_all(User(id=f"user-{n}", name=f"user {n}") for n in range(50))
        session.flush()
        session.add_all(
            Webhook(id=f"hook-{n}", user_id=f"user-{n}", url="https://a", secret="whsec_")
            for n in range(50)
        )
        session.flush()
        for kind, key in ((WebhookDelivery, "webhook_id"), (NoticeDelivery, "address")):
            rows = [
                {
                    key: f"hook-{n % 50}",
                    "event_id": f"event-{n}",
                    "name": "EVENT_TASK_COMPLETED",
                    "task_id": f"task-{n}",
                    "body": {},
                    "state": "DELIVERED" if n % 100 else "PENDING",
                    "due_at": moment - timedelta(days=n % 40),
                }
                | ({"user_id": f"user-{n % 50}"} if kind is NoticeDelivery else {})
                for n in range(MANY)
            ]
            session.execute(insert(kind), rows)
    with made.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
    yield made
    made.engine.dispose()


def plans(platform: Platform, statements: list[tuple[str, Any]]) -> list[str]:
    """How SQLite goes about each of them."""
    told = []
    with platform.engine.connect() as connection:
        for statement, values in statements:
            if re.search(rf"\b({TABLES})\b", statement):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                told += [row[3] for row in rows]
    return told


def test_every_look_has_an_index(platform: Platform) -> None:
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        seen.append((statement, values))

    event.listen(platform.engine, "before_cursor_execute", note)
    with platform.sessions() as session:
        found = deliveries.due(session)
        for kind in (WebhookDelivery, NoticeDelivery):
            taken = deliveries.take(session, Receiver(kind, "hook-0", "user-0"), 30)
            assert taken is not None
            deliveries.settle(session, taken, deliveries.Outcome(delivered=True))
        webhook = session.get_one(Webhook, "hook-1")
        assert len(repository.log_of(session, webhook, before=None, limit=50)) == 50
        assert repository.log_of(session, webhook, before=100, limit=50)
        assert repository.webhooks_of(session, "user-1")
        assert repository.webhooks_for(session, "user-1", "EVENT_TASK_COMPLETED")
        deliveries.disable(session, "hook-0")
        deliveries.forget_old(session)
        session.rollback()
    event.remove(platform.engine, "before_cursor_execute", note)
    assert found
    told = plans(platform, seen)
    assert len(told) > 8
    assert [plan for plan in told if re.match(rf"SCAN ({TABLES})\b(?!.*INDEX)", plan)] == []


def test_only_what_is_old_is_forgotten(platform: Platform) -> None:
    with platform.sessions() as session:
        deliveries.forget_old(session)
        for table in ("webhook_deliveries", "notice_deliveries"):
            left = session.execute(text(f"SELECT state, COUNT(*) FROM {table} GROUP BY state"))
            counts = dict(tuple(row) for row in left)
            assert counts["PENDING"] == MANY // 100, "what still waits is never forgotten"
            assert MANY * 0.7 < counts["DELIVERED"] < MANY * 0.8
        session.rollback()
