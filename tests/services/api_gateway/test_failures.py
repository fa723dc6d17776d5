"""Why something failed is said in the language of whoever asks, long after it has happened."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared.db.models import Task
from shared.errors import ActverseError, OutOfSpace, Terminal, Unavailable
from shared.flow.execution import GivenUp
from shared.messages import Sentence
from shared.web.waiting import StepFailed
from tests.shared.web.door import Door

KOREAN = {"Accept-Language": "ko"}
FULL = OutOfSpace(Sentence("error.disk_full_at", path="/data/a.mp4"))
AWAY = Unavailable(Sentence("error.not_waiting_yet"))


def failed(door: Door, error: ActverseError) -> str:
    task_id = door.submit("ann")
    door.begin(task_id)
    door.fail(task_id, error)
    return task_id


def streamed(client: httpx.Client, task_id: str, **headers: str) -> list[str]:
    """The reasons that a stream tells."""
    answer = client.get(f"/status/{task_id}/events", headers=headers)
    assert '"sentence"' not in answer.text
    lines = [t.removeprefix("data: ") for t in answer.text.splitlines() if t.startswith("data: ")]
    return [told["message"] for line in lines if "message" in (told := json.loads(line))]


def reasons(client: httpx.Client, task_id: str, **headers: str) -> set[str]:
    """What every way of asking says."""
    task = client.get(f"/tasks/{task_id}", headers=headers)
    status = client.get(f"/status/{task_id}", headers=headers)
    listed = client.get("/tasks/", params={"limit": 1}, headers=headers)
    for answer in (task, status, listed):
        assert answer.headers["Content-Language"] == headers.get("Accept-Language", "en")
        assert "Accept-Language" in answer.headers["Vary"]
    found: list[dict[str, Any]] = [task.json()["error"], task.json()["steps"][0]["error"]]
    found += [status.json()["error"], status.json()["process_status"][0]["error"]]
    found += [listed.json()["items"][0]["error"]]
    assert all(set(each) - {"step"} == {"code", "status", "message"} for each in found)
    return {each["message"] for each in found} | set(streamed(client, task_id, **headers))


def test_every_way_of_asking_says_it_in_the_readers_language(door: Door, ann) -> None:
    task_id = failed(door, FULL)
    assert reasons(ann, task_id) == {str(FULL)}
    assert reasons(ann, task_id, **KOREAN) == {FULL.told("ko")}
    assert FULL.told("ko") != str(FULL)


def test_a_reason_within_a_reason_is_said_so_too(door: Door, ann) -> None:
    task_id = failed(door, GivenUp(AWAY, 5))
    (english,) = reasons(ann, task_id)
    assert english == f"{AWAY} Given up after 5 tries; retry the step once that is mended."
    (korean,) = reasons(ann, task_id, **KOREAN)
    assert korean.startswith(AWAY.told("ko"))
    assert "5" in korean


def test_a_text_that_is_not_in_the_table_stays_as_it_was_written(door: Door, ann) -> None:
    task_id = failed(door, Terminal("KeyError: 'x'"))
    assert reasons(ann, task_id, **KOREAN) == {"KeyError: 'x'"}


@pytest.mark.parametrize(
    "sentence",
    [
        {"key": "error.of_another_version", "fields": {}},
        {"key": "error.disk_full_at", "fields": {"where": "x"}},
        {"key": "error.given_up", "fields": {"why": {"key": "x"}, "tries": 2}},
        {"fields": None},
    ],
)
def test_a_sentence_that_this_version_does_not_have_is_english(door: Door, ann, sentence) -> None:
    task_id = failed(door, FULL)
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, task_id)
        task.error = {**(task.error or {}), "sentence": sentence}
    told = ann.get(f"/tasks/{task_id}", headers=KOREAN).json()["error"]
    assert (told["message"], "sentence" in told) == (str(FULL), False)


def test_who_has_waited_for_it_reads_it_in_the_language_too(door: Door) -> None:
    task_id = failed(door, FULL)
    with door.platform.reads() as session:
        error = session.get_one(Task, task_id).error
    failure = StepFailed(error or {})
    assert (str(failure), failure.told("ko")) == (str(FULL), FULL.told("ko"))
    assert (failure.code, failure.status) == ("OutOfSpace", 507)
