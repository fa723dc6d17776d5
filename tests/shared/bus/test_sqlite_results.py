"""Results and chords in the broker file, at the points where a worker may be killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery, Task, chord, states
from celery.app.task import Context

from shared.bus.sqlite_broker_file import BrokerFile
from shared.bus.sqlite_results import SqliteResults
from shared.bus.sqlite_transport import register
from tests.shared.bus import sqlite_app


class Results:
    """A client without a worker: the tests play the worker, step by step."""

    def __init__(self, file: Path) -> None:
        register()
        self.broker = BrokerFile(file)
        self.app = Celery("client", set_as_current=False)
        self.app.conf.update(sqlite_app.settings(f"actverse+sqlite:///{file}", "ours"))
        self.backend: SqliteResults = self.app.backend

    def waiting(self, task: str) -> int:
        bodies = self.broker._database.rows("SELECT body FROM message")
        return sum(f'"task": "{task}"' in row["body"] for row in bodies)

    def chord(self, size: int) -> list[Context]:
        """Send a chord; what its header tasks would see of their requests."""
        chord([self.app.signature("t.nothing", args=[n]) for n in range(size)], app=self.app)(
            self.app.signature("t.joined")
        )
        requests = []
        channel = self.app.connection_for_read().default_channel
        queue = sqlite_app.task_queue("ours")(channel)
        for _ in range(size):
            message = queue.get()
            requests.append(Context(message.headers, chord=message.payload[2]["chord"]))
        return requests


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    made = Results(tmp_path / "broker.db")
    yield made
    made.app.close()


def test_parts_that_come_twice_start_the_callback_once(results: Results) -> None:
    requests = results.chord(3)
    for request in (requests[0], requests[0], requests[2], requests[0], requests[2]):
        results.backend.mark_as_done(request.id, request.group_index, request=request)
    assert results.waiting("t.joined") == 0
    for request in (requests[1], requests[1], requests[0]):
        results.backend.mark_as_done(request.id, request.group_index, request=request)
    assert results.waiting("t.joined") == 1


def test_a_result_and_its_part_are_stored_together(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the callback is sent leaves nothing: the part runs again and sends it then."""
    first, last = results.chord(2)
    results.backend.mark_as_done(first.id, 0, request=first)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Task, "delay", killed)
        patched.setattr("celery.canvas.Signature.delay", killed)
        with pytest.raises(KeyboardInterrupt):
            results.backend.mark_as_done(last.id, 1, request=last)
    assert results.waiting("t.joined") == 0
    assert results.app.AsyncResult(last.id).state == states.PENDING
    results.backend.mark_as_done(last.id, 1, request=last)
    assert results.waiting("t.joined") == 1
    assert results.app.AsyncResult(last.id).state == states.SUCCESS


def test_a_callback_that_cannot_be_sent_fails_the_chord(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    [only] = results.chord(1)

    def refused(*_: object, **__: object) -> None:
        raise TypeError("not JSON")

    monkeypatch.setattr("celery.canvas.Signature.delay", refused)
    results.backend.mark_as_done(only.id, 0, request=only)
    joined = only.chord["options"]["task_id"]
    assert results.app.AsyncResult(joined).state == states.FAILURE
    assert "not JSON" in str(results.app.AsyncResult(joined).result)


def test_a_chord_that_failed_can_be_sent_again(results: Results) -> None:
    first, last = results.chord(2)
    results.backend.mark_as_failure(first.id, ValueError("bad"), request=first)
    results.backend.mark_as_done(last.id, 1, request=last)
    assert results.waiting("t.joined") == 0
    results.backend.set_chord_size(first.group, 2)
    results.backend.mark_as_done(first.id, 0, request=first)
    assert results.waiting("t.joined") == 0, "the parts of the failed run do not count"
    results.backend.mark_as_done(last.id, 1, request=last)
    assert results.waiting("t.joined") == 1


def test_results_expire(results: Results) -> None:
    results.backend.expires = 0.05
    results.backend.store_result("some-id", {"ü": 1}, states.SUCCESS)
    results.chord(1)
    assert results.app.AsyncResult("some-id").result == {"ü": 1}
    time.sleep(0.1)
    fresh = SqliteResults(results.app, url=results.backend.url)
    assert fresh.get_state("some-id") == states.PENDING
    fresh.cleanup()
    database = results.broker._database
    assert database.rows("SELECT * FROM result") == []
    assert database.rows("SELECT * FROM chord") == []
