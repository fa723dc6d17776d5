"""Answers of an analysis server: signed, taken once, harmless when late, forged or malformed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from services.audio_analyzer.remote import webhook_secret
from shared.db.base import now
from shared.db.models import Outgoing, StepRun
from shared.flow import sweeper
from shared.flow.states import State
from shared.net.signed_calls import ID, SIGNATURE, TIMESTAMP, new_secret, signature, signed_headers
from tests.services.audio_analyzer.questions import TEXT, Questions, questions_at, success

FAILED = {"status": "failed", "message": "The recording is silent."}


def with_extra(written: bytes) -> bytes:
    """A result with one more member, as it is written."""
    return json.dumps(success(Extra=0)).encode().replace(b'"Extra": 0', b'"Extra": ' + written)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Questions]:
    with questions_at(tmp_path_factory.mktemp("data")) as made:
        yield made


@pytest.fixture(scope="module")
def of_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Questions]:
    database = request.getfixturevalue("postgres").fresh()
    with questions_at(tmp_path_factory.mktemp("data"), database=database) as made:
        yield made


@pytest.fixture(params=["questions", "of_servers"])
def either(request: pytest.FixtureRequest) -> Questions:
    """On either database."""
    found: Questions = request.getfixturevalue(request.param)
    return found


def facts_of(questions: Questions, job_id: str) -> list[str]:
    with questions.platform.reads() as session:
        names = session.query(Outgoing.name).filter_by(task_id=job_id).all()
    return sorted(name for (name,) in names)


# --- taken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["token", "script"])
def test_a_result_is_stored_and_ends_the_task(either: Questions, subject: Any) -> None:
    job_id = either.waiting(subject)
    waiting = either.seen(job_id, subject=subject)
    assert (waiting["status"], waiting["progress"]) == ("processing", 90)
    feedback = [{"code": "of_a_later_version", "fields": {"x": 1.5}, "word": None}]
    answer = either.tell(job_id, success(Feedback=feedback, Extra={"kept": [1]}), subject=subject)
    assert answer.status_code == 204, answer.text
    seen = either.seen(job_id, subject=subject)
    assert (seen["status"], seen["progress"]) == ("completed", 100)
    assert seen["result"]["NBest"][0]["Lexical"] == TEXT
    assert seen["result"]["Extra"] == {"kept": [1]}
    task, row = either.rows(job_id)
    assert (task.state, row.status, row.recognition) == (State.SUCCEEDED, "completed", "Success")
    assert (row.pron_score, row.accuracy, row.completeness) == (81.5, 81.5, 81.5)
    facts = facts_of(either, job_id)
    assert "EVENT_REMOTE_ANALYSIS_COMPLETED" in facts
    assert "EVENT_TASK_COMPLETED" in facts


def test_what_was_not_recognised_is_completed_without_a_score(questions: Questions) -> None:
    job_id = questions.waiting()
    said = {"status": "success", "result": {"RecognitionStatus": "NoMatch"}}
    assert questions.tell(job_id, said).status_code == 204
    _, row = questions.rows(job_id)
    assert (row.status, row.recognition, row.pron_score) == ("completed", "NoMatch", None)


def test_a_failure_is_said_in_both_languages(questions: Questions) -> None:
    job_id = questions.waiting()
    said = {
        "status": "failed",
        "message": "The recording is longer than 120 seconds. Send a shorter part.",
        "problem": {"key": "error.audio_too_long", "fields": {"longest_s": "120"}},
    }
    assert questions.tell(job_id, said).status_code == 204
    assert questions.seen(job_id)["status"] == "failed"
    assert questions.seen(job_id)["message"] == said["message"]
    assert "최대 길이: 120초" in questions.seen(job_id, "ko")["message"]
    assert questions.rows(job_id)[0].error["code"] == "ServerFailed"


@pytest.mark.parametrize(
    "problem",
    [None, {"key": "error.of_tomorrow"}, {"key": "error.audio_too_long"}, {"key": "title.400"}],
)
def test_a_failure_in_words_of_others_is_quoted(questions: Questions, problem: Any) -> None:
    job_id = questions.waiting()
    said = FAILED | ({"problem": problem} if problem else {})
    assert questions.tell(job_id, said).status_code == 204
    seen = questions.seen(job_id)
    assert seen["message"] == (
        "The analysis server could not compare the recording: The recording is silent."
    )


# --- again, late, early ---------------------------------------------------------------------------


def test_the_same_answer_again_changes_nothing(either: Questions) -> None:
    job_id = either.waiting()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: either.tell(job_id, success()), range(4)))
    assert {answer.status_code for answer in answers} <= {204, 503}  # SQLite may be busy
    assert either.tell(job_id, FAILED).status_code == 204
    assert either.seen(job_id)["status"] == "completed"
    assert facts_of(either, job_id).count("EVENT_REMOTE_ANALYSIS_COMPLETED") == 1


def test_an_answer_after_a_cancel_changes_nothing(questions: Questions) -> None:
    job_id = questions.waiting()
    assert questions.ann.post(f"/tasks/{job_id}/cancel").status_code == 202
    assert questions.tell(job_id, success()).status_code == 204
    task, row = questions.rows(job_id)
    assert (task.state, row.result) == (State.CANCELLED, None)


def test_a_server_that_never_answers_is_not_waited_for_for_ever(questions: Questions) -> None:
    job_id = questions.waiting()
    with questions.platform.sessions.begin() as session:
        run = session.query(StepRun).filter_by(task_id=job_id).one()
        assert timedelta(minutes=29) < run.deadline_at - now() <= timedelta(minutes=30)
        run.deadline_at = now() - timedelta(seconds=1)
    sweeper.fail_overdue(questions.platform)
    seen = questions.seen(job_id)
    assert seen["status"] == "failed"
    assert seen["message"].startswith("The analysis server took the recording and never answered")
    assert "응답하지 않았습니다" in questions.seen(job_id, "ko")["message"]
    assert "waited for 30 minutes" in questions.rows(job_id)[0].error["message"]
    assert questions.tell(job_id, success()).status_code == 204
    assert questions.rows(job_id)[0].state == State.FAILED


def test_an_answer_that_is_quicker_than_our_books_is_asked_for_again(either: Questions) -> None:
    job_id = either.asked()
    early = either.tell(job_id, success())
    assert (early.status_code, early.headers["Retry-After"]) == (503, "1")
    either.door.begin(job_id)
    assert either.tell(job_id, success()).status_code == 503
    either.door.succeed(job_id, server="https://speech.example")
    assert either.tell(job_id, success()).status_code == 204
    assert either.seen(job_id)["status"] == "completed"


# --- forged, malformed ----------------------------------------------------------------------------


def test_only_who_was_asked_can_answer(questions: Questions) -> None:
    job_id, body = questions.waiting(), json.dumps(success()).encode()
    settings = questions.platform.settings
    secret, other = (webhook_secret(settings, name) for name in (job_id, questions.waiting()))
    past = int(time.time()) - 400
    old = {ID: "c", TIMESTAMP: str(past), SIGNATURE: signature(secret, "c", past, body)}
    replaced = signed_headers(secret, "c", b'{"status": "failed"}')
    for headers in (
        {},
        old,
        replaced,
        signed_headers(other, "c", body),
        signed_headers(new_secret(), "c", body),
        {"Authorization": f"Bearer {questions.door.key}"},
    ):
        refused = questions.call(job_id, body, headers)
        assert refused.status_code == 401, headers
        assert refused.headers["content-type"] == "application/problem+json"
        assert secret not in refused.text
    assert questions.seen(job_id)["status"] == "processing"


def test_a_job_that_is_none_of_this_kind_is_not_found(questions: Questions) -> None:
    assert questions.tell("never", success()).status_code == 404
    job_id = questions.waiting("token")
    assert questions.tell(job_id, success(), subject="script").status_code == 404
    local = questions.door.submit("ann", "vision")
    assert questions.tell(local, success()).status_code == 404
    assert questions.seen(job_id)["status"] == "processing"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"[" * 100_000, 400),
        (json.dumps(success(Offset=float("nan"))).encode(), 400),
        (b"\xff\xfe", 400),
        (with_extra(b"1e999"), 400),
        (with_extra(rb'"\ud800"'), 400),  # half a character
        (with_extra(b"[" * 400 + b"]" * 400), 400),
        (b"[]", 422),
        ({}, 422),
        ({"status": "done"}, 422),
        ({"status": "success"}, 422),
        (FAILED | {"result": success()["result"]}, 422),
        ({"status": "success", "result": {"RecognitionStatus": "Fine"}}, 422),
        ({"status": "success", "result": {"RecognitionStatus": "Success", "NBest": []}}, 422),
        (
            {
                "status": "success",
                "result": success()["result"] | {"RecognitionStatus": "BabbleTimeout"},
            },
            422,
        ),
        (success(Feedback=[{"code": "c", "fields": {"a": [1]}}]), 422),
        (success(padding="x" * 1_100_000), 413),
    ],
    ids=range(18),
)
def test_what_is_no_answer_is_refused_in_words(
    questions: Questions, body: Any, status: int
) -> None:
    job_id = questions.waiting()
    refused = questions.tell(job_id, body)
    assert refused.status_code == status, refused.text
    assert refused.json()["detail"]
    assert questions.rows(job_id)[0].state == State.WAITING


@pytest.mark.parametrize(
    "extra",
    [
        b'"nul \\u0000 inside"',
        b'"half \\ud800 a character"',
        b"[" * 200 + b"]" * 200,
        b"[" * 900 + b"]" * 900,
        b"1" * 5000,
        b"1e999",
    ],
    ids=["nul", "surrogate", "deep", "very deep", "long number", "infinite"],
)
def test_what_a_database_cannot_keep_is_refused_or_kept_but_never_a_crash(
    either: Questions, extra: bytes
) -> None:
    job_id = either.waiting()
    body = json.dumps(success(Extra="here")).encode().replace(b'"here"', extra)
    answer = either.tell(job_id, body)
    assert answer.status_code in {204, 400, 422}, answer.text
    status = "completed" if answer.status_code == 204 else "processing"
    assert either.seen(job_id)["status"] == status


def test_scores_lie_between_0_and_100(questions: Questions) -> None:
    job_id, said = questions.waiting(), success()
    said["result"]["NBest"][0]["PronunciationAssessment"]["PronScore"] = 101
    refused = questions.tell(job_id, said)
    assert refused.status_code == 422
    assert "PronScore" in refused.json()["errors"][0]["where"]
