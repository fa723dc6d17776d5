"""The stream of a task: nothing missed, nothing twice, whoever reads and however often."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.errors import MediaRejected
from shared.progress.news import LOOK_EVERY_S
from shared.web import pulse
from tests.shared.web.door import Door

Event = tuple[int | None, str, dict[str, Any]]


def read(client: httpx.Client, task_id: str, last: int | None = None) -> Iterator[Event]:
    """The events of one connection, in order, until the server ends it."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with client.stream("GET", f"/status/{task_id}/events", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if not line and "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield number, fields["event"], json.loads(fields["data"])
                fields = {}
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value


def live(door: Door, task_id: str, steps: int = 3, pause_s: float = 0.02) -> None:
    """A task that makes progress and fails at the end."""
    door.begin(task_id)
    for n in range(steps):
        time.sleep(pause_s)
        door.progress(task_id, (n + 1) / steps)
    door.fail(task_id, MediaRejected("The video ends in the middle."))


def test_a_stream_tells_what_happened_and_ends_with_the_task(door, ann) -> None:
    task_id = door.submit("ann")
    live(door, task_id)
    events = list(read(ann, task_id))
    assert [name for _, name, _ in events] == [
        "task",  # queued
        "step",  # queued
        "step",  # running
        "progress",
        "step",  # failed
        "task",
        "end",
    ]
    numbers = [number for number, _, _ in events if number is not None]
    assert numbers == sorted(set(numbers))
    assert events[-1][2] == {"task_id": task_id}
    assert events[-2][2]["message"] == "The video ends in the middle."
    assert list(read(ann, task_id)) == events  # an ended task can be read again


def test_a_live_reader_sees_every_step_of_progress(door, ann) -> None:
    """Each note replaces the one before; who has seen that one must still see this one."""
    task_id = door.submit("ann")
    steps = 4
    worker = threading.Thread(
        target=live, args=(door, task_id, steps, 2 * LOOK_EVERY_S), daemon=True
    )
    worker.start()
    seen = [data["progress"] for _, name, data in read(ann, task_id) if name == "progress"]
    worker.join()
    assert seen == [(n + 1) / steps for n in range(steps)]


def test_going_on_by_last_event_id_misses_and_repeats_nothing(door, ann) -> None:
    task_id = door.submit("ann")
    live(door, task_id)
    whole = list(read(ann, task_id))
    for cut in range(len(whole)):
        last = whole[cut][0]
        if last is not None:
            assert list(read(ann, task_id, last)) == whole[cut + 1 :]


def test_a_reader_that_loses_its_connection_goes_on(door, ann) -> None:
    task_id = door.submit("ann")
    door.begin(task_id)
    reading = read(ann, task_id)
    first = [next(reading) for _ in range(2)]
    reading.close()
    door.fail(task_id, MediaRejected("no"))
    rest = list(read(ann, task_id, first[-1][0]))
    assert first + rest == list(read(ann, task_id))


def test_many_readers_see_the_same(door: Door) -> None:
    task_id = door.submit("ann")
    found: list[list[Event]] = []
    key = door.key_of("ann")

    def follow() -> None:
        with door.client() as client:
            client.headers["Authorization"] = f"Bearer {key}"
            found.append([e for e in read(client, task_id) if e[1] != "progress"])

    readers = [threading.Thread(target=follow) for _ in range(24)]
    for reader in readers:
        reader.start()
    live(door, task_id, pause_s=0.2)
    for reader in readers:
        reader.join(20)
    assert len(found) == 24
    assert all(events == found[0] for events in found)


def test_silence_is_broken_by_a_heartbeat(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pulse, "HEARTBEAT_S", 0.1)
    with (  # a door of its own: that of the others may already wait for its next beat
        Door.opened(tmp_path) as door,
        door.client("ann") as ann,
        ann.stream("GET", f"/status/{door.submit('ann')}/events") as answer,
    ):
        lines = answer.iter_lines()
        comments = 0
        while comments < 2:
            comments += next(lines).startswith(":")
        assert answer.headers["cache-control"] == "no-store"


def test_a_reader_who_leaves_is_forgotten(door, ann) -> None:
    task_id = door.submit("ann")
    before = threading.active_count()
    for _ in range(5):
        reading = read(ann, task_id)
        next(reading)
        reading.close()
    assert threading.active_count() <= before + 6  # threads of the pool, none a reader


@pytest.mark.parametrize("last", ["x", "-1", "1.5", str(2**63)])
def test_a_broken_last_event_id_is_refused(door, ann, last) -> None:
    answer = ann.get(f"/status/{door.submit('ann')}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422
    assert "last-event-id" in answer.json()["detail"]
