"""An answer that was lost on its way is asked for: two gateways over real HTTP, and servers of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

import httpx
import pytest

from services.audio_analyzer import inquiries, remote
from services.audio_analyzer.service import result_of
from shared.db.models import StepRun, Task
from shared.errors import Terminal
from shared.flow import wishes
from shared.flow.states import State
from shared.net.breaker import Breaker
from tests.servers.ports import free_port
from tests.services.audio_analyzer.questions import TEXT, Questions, questions_at, success


class Pair(NamedTuple):
    """Who asks, and who owes an answer; neither has a worker, so nothing happens by itself."""

    asker: Questions
    server: Questions

    def asked(self) -> str:
        """A job that the server has taken and that the asker waits for."""
        job = self.asker.asked()
        self.take(job)
        self.asker.door.begin(job)
        self.asker.door.succeed(job, server=self.asker.platform.settings.speech.analysis_server)
        return job

    def take(self, job: str) -> None:
        nowhere = dict.fromkeys(("audio_url", "reference_url", "webhook_url"), "http://127.0.0.1:9")
        told = {"job_id": job, "text": TEXT, **nowhere}
        with self.server.door.client("mesh") as mesh:
            headers = {"Idempotency-Key": f"{job}.1"}
            assert mesh.post("/analyze-voice", json=told, headers=headers).status_code == 202

    def theirs(self, job: str) -> Task:
        with self.server.platform.reads() as session:
            return session.query(Task).filter(Task.idempotency_key == f"{job}.1").one()

    def later(self, job: str, **much: float) -> None:
        """So long has the asker been waiting."""
        with self.asker.platform.sessions.begin() as session:
            run = session.query(StepRun).filter(StepRun.task_id == job).one()
            run.deadline_at -= timedelta(**much)
            if run.revived_at is not None:
                run.revived_at -= timedelta(**much)

    def inquire(self) -> int:
        return inquiries.inquire(self.asker.platform)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder, port = tmp_path_factory.mktemp("pair"), free_port()
    network = {"allow": ["127.0.0.1/32"]}
    with questions_at(folder / "server", network=network) as server:
        key = server.door.key_of("mesh")
        settings = {
            "gateway": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
            "speech": {"analysis_server": server.door.url, "analysis_key": key},
        }
        with questions_at(folder / "asker", port=port, **settings) as asker:
            yield Pair(asker, server)


@pytest.fixture(autouse=True)
def _nothing_waits(pair: Pair) -> Iterator[None]:
    yield
    with pair.asker.platform.sessions.begin() as session:
        for task in session.query(Task).filter(Task.state == State.WAITING):
            wishes.cancel(session, pair.asker.platform.bus, task)


# --- what the server says -------------------------------------------------------------------------


def test_a_result_that_never_arrived_is_fetched(pair: Pair) -> None:
    job = pair.asked()
    pair.server.door.keep(result_of(pair.theirs(job).id), json.dumps(success()["result"]).encode())
    assert pair.inquire() == 0  # it is quite usual that nothing has come yet
    pair.later(job, seconds=61)
    assert pair.inquire() == 1
    seen = pair.asker.seen(job)
    assert seen["status"] == "completed"
    assert seen["result"]["NBest"][0]["PronunciationAssessment"]["PronScore"] == 81.5
    assert pair.asker.tell(job, success()).status_code == 204  # the webhook after all
    assert pair.asker.seen(job) == seen


def test_a_failure_that_never_arrived_is_told(pair: Pair) -> None:
    job = pair.asked()
    theirs = pair.theirs(job)
    pair.server.door.begin(theirs.id)
    pair.server.door.fail(theirs.id, Terminal("The webhook does not take the answer."))
    pair.later(job, seconds=61)
    pair.inquire()
    seen = pair.asker.seen(job)
    assert seen["status"] == "failed"
    assert "The webhook does not take the answer." in seen["message"]


def test_one_that_was_stopped_there_is_told_in_the_readers_language(pair: Pair) -> None:
    job = pair.asked()
    with pair.server.platform.sessions.begin() as session:
        theirs = session.get_one(Task, pair.theirs(job).id)
        wishes.cancel(session, pair.server.platform.bus, theirs)
    pair.later(job, seconds=61)
    pair.inquire()
    assert pair.asker.seen(job, "ko")["message"] == "분석 서버가 이 비교를 중단했습니다."


def test_one_that_goes_on_is_asked_about_with_growing_pauses(pair: Pair) -> None:
    job, asked = pair.asked(), []
    for minute in range(29):
        pair.later(job, minutes=1)
        if pair.inquire():
            asked.append(minute + 1)
    assert asked[:2] == [1, 2]
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert 5 <= len(asked) <= 10
    assert pair.asker.seen(job)["progress"] == 90


def test_a_server_that_has_lost_the_job_is_asked_anew(pair: Pair) -> None:
    job = pair.asked()
    first = pair.theirs(job).id
    with pair.server.platform.sessions.begin() as session:
        session.delete(session.get_one(Task, first))
    pair.later(job, seconds=61)
    pair.inquire()
    again = pair.theirs(job)
    assert (again.id != first, again.options["text"]) == (True, TEXT)
    assert pair.asker.seen(job)["progress"] == 90
    assert pair.asker.tell(job, success()).status_code == 204
    assert pair.asker.seen(job)["status"] == "completed"


def test_one_that_cannot_be_asked_anew_fails_and_says_why(pair: Pair, monkeypatch) -> None:
    job = pair.asked()
    with pair.server.platform.sessions.begin() as session:
        session.delete(session.get_one(Task, pair.theirs(job).id))
    monkeypatch.setattr(pair.asker.platform.settings.gateway, "public_url", "")
    pair.later(job, seconds=61)
    pair.inquire()
    seen = pair.asker.seen(job)
    assert (seen["status"], "ACTVERSE_GATEWAY__PUBLIC_URL" in seen["message"]) == ("failed", True)


# --- who may ask, and who can be asked ------------------------------------------------------------


def test_only_who_has_asked_for_it_hears_of_it(pair: Pair) -> None:
    job = pair.asked()
    with pair.server.door.client("mesh") as mesh, pair.server.door.client("another") as another:
        for key in (f"{job}.1", pair.theirs(job).id):
            assert mesh.get(f"/analyses/{key}").json() == {"status": "processing"}
            answer = another.get(f"/analyses/{key}")
            assert (answer.status_code, answer.json()["code"]) == (404, "NoAnalysis")
    assert httpx.get(f"{pair.server.door.url}/analyses/{job}.1").status_code == 401


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, b'{"detail": "no such path"}'),
        (405, b""),
        (200, b"<html>hello</html>"),
        (200, b'{"status": "success"}'),
        (401, b"{}"),
    ],
)
def test_a_server_that_answers_no_such_questions_may_still_call(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, status: int, said: bytes
) -> None:
    job = pair.asked()
    monkeypatch.setattr(remote, "call", lambda *_, **__: remote.Answer(status, said))
    pair.later(job, seconds=61)
    assert pair.inquire() == 1
    monkeypatch.undo()
    assert pair.asker.seen(job)["progress"] == 90
    assert pair.asker.tell(job, success()).status_code == 204
    assert pair.asker.seen(job)["status"] == "completed"


def test_a_server_that_is_away_is_asked_about_one_job_a_round(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = pair.asker.platform.settings.speech
    monkeypatch.setattr(speech, "analysis_server", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(inquiries, "breaker_of", Breaker)
    jobs = [pair.asker.waiting() for _ in range(3)]
    with pair.asker.platform.sessions.begin() as session:
        for job in jobs:
            task = session.get_one(Task, job)
            task.context = {**task.context, "server": speech.analysis_server}
    for job in jobs:
        pair.later(job, seconds=61)
    assert pair.inquire() == 1
    assert all(pair.asker.seen(job)["progress"] == 90 for job in jobs)


def test_a_job_that_another_server_has_is_not_asked_about_here(pair: Pair) -> None:
    job = pair.asker.waiting()  # of https://speech.example
    pair.later(job, seconds=61)
    assert pair.inquire() == 0
