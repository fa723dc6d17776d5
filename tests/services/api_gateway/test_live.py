"""Figures that are not stored yet reach watchers, and end with the step that they are about."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import MediaRejected
from tests.shared.web.door import Door

STEP = "video_processing"


@pytest.fixture
def watched(tmp_path: Path, redis_url: str) -> Iterator[Door]:
    with Door.opened(tmp_path, cache=redis_url) as opened:
        yield opened


def note(progress: float, attempt: int = 1) -> dict[str, object]:
    return {"progress": progress, "message": "frames", "figures": {"fps": 9.0}, "attempt": attempt}


def running(door: Door) -> str:
    task_id = door.submit("ann")
    door.begin(task_id)
    return task_id


def shown(door: Door, task_id: str) -> tuple[float, str | None]:
    with door.client("ann") as client:
        step = client.get(f"/status/{task_id}").json()["process_status"][0]
    return step["progress"], step["message"]


def test_the_status_is_as_fresh_as_what_is_live(watched: Door) -> None:
    task_id = running(watched)
    watched.platform.live.show(task_id, STEP, note(0.4))
    assert shown(watched, task_id) == (0.4, "frames")
    watched.progress(task_id, 0.6)  # stored meanwhile
    assert shown(watched, task_id)[0] == 0.6
    watched.platform.live.show(task_id, STEP, note(0.9, attempt=7))
    assert shown(watched, task_id)[0] == 0.6, "that is another attempt"


def test_a_stream_tells_it_once_and_nothing_of_it_after_the_step(watched: Door) -> None:
    task_id = running(watched)

    def work() -> None:
        for progress in (0.2, 0.2, 0.7):
            watched.platform.live.show(task_id, STEP, note(progress))
            time.sleep(0.3)
        watched.fail(task_id, MediaRejected("It ends here."))

    thread = threading.Thread(target=work)
    with (
        watched.client("ann") as client,
        client.stream("GET", f"/status/{task_id}/events") as answer,
    ):
        thread.start()
        begun = time.monotonic()
        lines = list(answer.iter_lines())
    assert time.monotonic() - begun < 8, "the end is told, not found at the next heartbeat"
    thread.join()
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data")]
    live = [event["progress"] for event in data if event.get("figures") == {"fps": 9.0}]
    assert live == [0.2, 0.7]
    assert data[-1] == {"task_id": task_id}
    with watched.client("ann") as client:
        late = client.get(f"/status/{task_id}/events").text
    assert "fps" not in late
