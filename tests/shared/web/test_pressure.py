"""Back-pressure through the door: too much waits, so new work is told when to come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from shared.admission.pressure import LONGEST_S, PATIENCE_S, SHORTEST_S, WHOLE, Busy, Pressure
from shared.db.models import TaskEvent, now
from shared.platform import Platform
from tests.shared.web.door import VIDEO_URL, Door

MOST = 5
WISH = {"file_path": VIDEO_URL}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with Door.opened(tmp_path, gateway={"max_queue_depth": MOST}) as opened:
        yield opened


def fresh(door: Door) -> Pressure:
    """A look that was not taken a moment ago."""
    door.app.state.pressure = Pressure(door.platform)
    return door.app.state.pressure


def fill(door: Door, count: int) -> list[str]:
    """So many tasks whose first request waits in the broker, where no worker takes it."""
    tasks = [door.submit() for _ in range(count)]
    fresh(door)
    return tasks


def drain(door: Door, task_id: str, *steps: tuple[str, float]) -> None:
    """Steps of a task that came to an end so many seconds ago."""
    with door.platform.sessions.begin() as session:
        for step, ago_s in steps:
            session.add(
                TaskEvent(
                    task_id=task_id,
                    step=step,
                    kind="state",
                    data={"state": "SUCCEEDED"},
                    at=now() - timedelta(seconds=ago_s),
                )
            )


def test_a_full_queue_refuses_new_work_at_every_door(door: Door) -> None:
    fill(door, MOST)
    with door.client("ann") as ann:
        for path, body in (
            ("/tasks/", WISH),
            ("/video/download", {"file_path": VIDEO_URL, "download_path": "a.mp4"}),
        ):
            refused = ann.post(path, json=body)
            assert refused.status_code == 429, refused.text
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["code"] == "Busy"
            assert "5 pieces of work wait for video_processor" in refused.json()["detail"]
            assert SHORTEST_S <= int(refused.headers["retry-after"]) <= LONGEST_S
        assert len(ann.get("/tasks/").json()["items"]) == MOST, "nothing was accepted"


def test_rabbitmq_is_asked_as_well(amqp_url: str, redis_url: str, tmp_path: Path) -> None:
    with (
        Door.opened(
            tmp_path, broker=amqp_url, cache=redis_url, gateway={"max_queue_depth": MOST}
        ) as door,
        door.client("ann") as ann,
    ):
        fill(door, MOST - 1)
        assert ann.post("/tasks/", json=WISH).status_code == 202
        deadline = time.monotonic() + 10
        while "video_processor" not in (seen := dict(fresh(door)._look())) or (
            seen["video_processor"] < MOST  # its counts follow a moment later
        ):
            assert time.monotonic() < deadline, seen
            time.sleep(0.05)
        refused = ann.post("/tasks/", json=WISH)
        assert (refused.status_code, refused.json()["code"]) == (429, "Busy")
        assert "5 pieces of work wait for video_processor" in refused.json()["detail"]


def test_below_the_limit_and_without_one_work_is_taken(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    with door.client("ann") as ann:
        fill(door, MOST - 1)
        assert ann.post("/tasks/", json=WISH).status_code == 202
        fresh(door)
        assert ann.post("/tasks/", json=WISH).status_code == 429
        monkeypatch.setattr(door.platform.settings.gateway, "max_queue_depth", 0)
        assert ann.post("/tasks/", json=WISH).status_code == 202


def test_the_whole_mesh_has_a_limit_too(door: Door) -> None:
    fill(door, MOST * WHOLE // 2)  # each waits for its step, and for its news
    with pytest.raises(Busy, match="in the whole mesh"):
        fresh(door).admit("model_trainer")
    with pytest.raises(Busy, match="for notification"):
        fresh(door).admit("notification")


def test_the_time_to_come_back_follows_the_pace(door: Door) -> None:
    tasks = fill(door, 2 * MOST)

    def retry_after_s() -> float:
        with pytest.raises(Busy) as refused:
            fresh(door).admit("video_processor")
        assert refused.value.retry_after_s is not None
        return refused.value.retry_after_s

    assert retry_after_s() == LONGEST_S, "nothing has ended: nobody knows"
    over = 2 * MOST - 0.9 * MOST
    drain(door, tasks[0], *[("video_processing", ago) for ago in range(10, 60)])  # one a second
    assert retry_after_s() == pytest.approx(over, rel=0.25)
    drain(door, tasks[0], *[("video_processing", ago / 50) for ago in range(10, 2900)])
    assert retry_after_s() == SHORTEST_S
    with door.platform.sessions.begin() as session:
        session.query(TaskEvent).delete()
    drain(door, tasks[0], *[("model_training", ago) for ago in range(10, 60)])  # of somebody else
    assert retry_after_s() == LONGEST_S


def test_many_requests_cost_one_look(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    system = type(door.platform.broker).loads

    def slowly(broker: object) -> object:
        looks.append(time.monotonic())
        time.sleep(0.05)
        return system(broker)

    monkeypatch.setattr(type(door.platform.broker), "loads", slowly)
    moment = [0.0]
    pressure = Pressure(door.platform, clock=lambda: moment[0])
    threads = [
        threading.Thread(target=lambda: [pressure.admit("video_processor") for _ in range(50)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1
    moment[0] = 1.5
    for _ in range(50):
        pressure.admit("video_processor")
    pressure._looking.join()
    assert len(looks) == 2


def test_a_broker_that_hangs_costs_one_short_wait(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hang(_: object) -> list[object]:
        over.wait(30)
        return []

    monkeypatch.setattr(type(door.platform.broker), "loads", hang)
    pressure = Pressure(door.platform)
    begun = time.monotonic()
    for _ in range(20):
        pressure.admit("video_processor")
    assert time.monotonic() - begun < 4 * PATIENCE_S
    over.set()


def test_a_broker_that_is_away_does_not_refuse(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outbox keeps what is accepted."""

    def away(_: object) -> None:
        raise ConnectionError("no broker")

    fill(door, MOST)
    monkeypatch.setattr(type(door.platform.broker), "loads", away)
    with door.client("ann") as ann:
        assert ann.post("/tasks/", json=WISH).status_code == 202


def test_the_pace_is_found_by_a_bounded_look(door: Door) -> None:
    """No scan of the tables, however much has happened."""
    platform: Platform = door.platform
    statements: list[str] = []
    event.listen(
        platform.engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: statements.append(statement),
    )
    Pressure(platform)._measured("video_processor")
    (query,) = [s for s in statements if "task_events" in s]
    with platform.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", (2000, 0)).all()
    assert not any("TEMP B-TREE" in str(row) for row in plan)
    assert "LIMIT" in query
