"""The outbox: what a transaction decided is sent once it commits, and not before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from shared import wiring
from shared.bus.outbox import first_time
from shared.db.models import Outgoing, User, now
from shared.events.base import DomainEvent
from shared.events.lifecycle import TaskSubmitted
from shared.platform import Platform
from shared.settings import Settings
from tests.servers.worlds import WORLDS, settings_of
from tests.shared.db import prepared


@pytest.fixture(params=WORLDS)
def undeclared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """Nobody listens yet."""
    made = wiring.build(Settings(data_dir=tmp_path, **settings_of(request.param, request)))
    prepared.upgrade(made.engine)
    yield made
    made.engine.dispose()


@pytest.fixture
def platform(undeclared: Platform) -> Platform:
    undeclared.broker.apply()
    return undeclared


def event() -> TaskSubmitted:
    return TaskSubmitted(task_id="t", user_id="u", pipeline="vision")


def waiting(platform: Platform) -> int:
    loads = {load.name: load for load in platform.broker.loads()}
    return loads["notification.events"].pending


def rows(platform: Platform) -> list[Outgoing]:
    with platform.reads() as session:
        return list(session.scalars(select(Outgoing).order_by(Outgoing.id)))


def test_an_event_travels_with_the_commit(platform: Platform) -> None:
    with platform.sessions.begin() as session:
        platform.bus.publish(event(), session)
        assert waiting(platform) == 0
    assert waiting(platform) == 1
    assert rows(platform)[0].published_at is not None


def test_who_leaves_it_to_the_relay_only_stores(platform: Platform) -> None:
    platform.bus.leave_to_relay()
    with platform.sessions.begin() as session:
        platform.bus.publish(event(), session)
        platform.bus.publish(event(), session)
    assert waiting(platform) == 0
    assert platform.bus.relay() == 2  # at once: nobody else is about to send them
    assert waiting(platform) == 2
    assert platform.bus.relay() == 0


def test_a_rolled_back_event_never_existed(platform: Platform) -> None:
    with pytest.raises(RuntimeError, match="no"), platform.sessions.begin() as session:
        platform.bus.publish(event(), session)
        raise RuntimeError("no")
    assert platform.bus.relay() == 0
    assert (waiting(platform), rows(platform)) == (0, [])


def test_a_savepoint_inside_does_not_send_early_nor_block(platform: Platform) -> None:
    begun = time.monotonic()
    with platform.sessions.begin() as session:
        with session.begin_nested():
            platform.bus.publish(event(), session)
        assert waiting(platform) == 0
        session.add(User(name="written after the savepoint"))
        platform.bus.publish(event(), session)
    assert waiting(platform) == 2
    assert time.monotonic() - begun < 5


def test_what_went_with_a_savepoint_is_not_sent(platform: Platform) -> None:
    with platform.sessions.begin() as session:
        platform.bus.publish(event(), session)
        with pytest.raises(RuntimeError, match="no"), session.begin_nested():
            platform.bus.publish(event(), session)
            raise RuntimeError("no")
        platform.bus.publish(event(), session)
    assert waiting(platform) == 2
    assert [row.published_at is not None for row in rows(platform)] == [True, True]


def test_who_commits_sends_and_the_relay_leaves_it_a_moment(platform: Platform) -> None:
    with platform.sessions.begin() as session:
        platform.bus.publish(event(), session)
        session.info["events_to_send"].stored.clear()  # as if the process had died after the commit
    assert platform.bus.relay() == 0
    time.sleep(1.1)
    assert platform.bus.relay() == 1
    assert waiting(platform) == 1


def test_what_a_dead_process_did_not_send_the_relay_sends_once(platform: Platform) -> None:
    with platform.sessions.begin() as session:
        body = event()
        session.add(
            Outgoing(
                event_id=body.event_id,
                name=body.name,
                task_id="t",
                body=body.model_dump(mode="json"),
            )
        )
    assert platform.bus.relay() == 1
    assert platform.bus.relay() == 0
    assert waiting(platform) == 1


def test_what_nobody_listens_to_is_kept_with_its_reason_and_tried_later(
    undeclared: Platform,
) -> None:
    with undeclared.sessions.begin() as session:
        undeclared.bus.publish(event(), session)
    row = rows(undeclared)[0]
    assert row.published_at is None
    assert row.tries == 1
    assert row.error
    assert row.due_at > now()
    undeclared.broker.apply()
    with undeclared.sessions.begin() as session:
        session.get_one(Outgoing, row.id).due_at = now()
    assert undeclared.bus.relay() == 1


def test_one_that_no_queue_takes_does_not_hold_up_the_others(platform: Platform) -> None:
    class Unheard(DomainEvent, name=f"EVENT_UNHEARD_{uuid4().hex}"):
        """Nobody listens."""

    with platform.sessions.begin() as session:
        platform.bus.publish(event(), session)
        platform.bus.publish(Unheard(task_id="t", user_id="u"), session)
        platform.bus.publish(event(), session)
    sent = [row.published_at is not None for row in rows(platform)]
    assert sent == [True, False, True]
    assert "EVENT_UNHEARD" in rows(platform)[1].error
    assert waiting(platform) == 2


def test_two_relays_share_the_rows(platform: Platform) -> None:
    with platform.sessions.begin() as session:
        for _ in range(200):
            body = event()
            content = body.model_dump(mode="json")
            session.add(Outgoing(event_id=body.event_id, name=body.name, task_id="t", body=content))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: platform.bus.relay(limit=60), range(8)))
    assert all(row.published_at for row in rows(platform))
    assert waiting(platform) >= 200


def test_an_event_is_handled_by_a_consumer_once(platform: Platform) -> None:
    with platform.sessions.begin() as session:
        assert first_time(session, "trainer", "e1")
        assert first_time(session, "deployer", "e1")
    with platform.sessions.begin() as session:
        assert not first_time(session, "trainer", "e1")
