"""Recordings at the door: what is taken, what is refused and why, and who may look at what became of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.audio_analyzer import analyses, problems
from services.audio_analyzer.errors import ScorerCrashed, TooLongAudio
from shared.db.models import Task
from shared.db.speech_models import AnalysisResult, Script, Token
from shared.errors import ActverseError, Terminal
from shared.flow import wishes
from shared.flow.execution import GivenUp
from shared.web import uploads
from tests.services.audio_analyzer import sounds
from tests.shared.web.door import Door

LIMIT = 2 * 1024**2
GOOD = ("said.ogg", sounds.sample("sea_learner"), "audio/ogg")
KOREAN = {"Accept-Language": "ko"}
RESULT: dict[str, Any] = {
    "RecognitionStatus": "Success",
    "NBest": [{"PronunciationAssessment": {"PronScore": 81.5, "AccuracyScore": 90.0}}],
    "Feedback": [
        {"code": "all.good", "word": None, "position": None, "severity": "info", "fields": {}}
    ],
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    limits = {"max_recording_bytes": LIMIT}
    with Door.opened(tmp_path_factory.mktemp("data"), speech=limits) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(door: Door) -> Iterator[httpx.Client]:
    with door.client() as client:
        yield client


@pytest.fixture(scope="module")
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


@pytest.fixture(scope="module")
def bob(door: Door) -> Iterator[httpx.Client]:
    with door.client("bob") as client:
        yield client


def line(door: Door, admin: httpx.Client, kind: str, state: str) -> str:
    """A line whose take is that far, without anybody who prepares it."""
    told = {"title": "Sea", "text": sounds.line()}
    if kind == "tokens":
        actor = admin.post("/actors", json={"name": f"Slt {kind} {state}"}).json()["id"]
        told = {"actor_id": actor, "film": "Sea", "text": sounds.line()}
    made: str = admin.post(f"/{kind}", json=told).json()["id"]
    with door.platform.sessions.begin() as session:
        row: Any = session.get_one(Token if kind == "tokens" else Script, made)
        row.state, row.audio_sha256, row.features_key = state, "0", "catalogue/x/features.json"
    return made


@pytest.fixture(scope="module")
def token(door: Door, admin: httpx.Client) -> str:
    return line(door, admin, "tokens", "READY")


@pytest.fixture(scope="module")
def script(door: Door, admin: httpx.Client) -> str:
    return line(door, admin, "scripts", "READY")


def send(client: httpx.Client, path: str, file: Any = GOOD, **headers: str) -> httpx.Response:
    return client.post(f"{path}/upload-audio", files={"file": file}, headers=headers)


def sent(client: httpx.Client, path: str, file: Any = GOOD) -> str:
    answer = send(client, path, file)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def kept(door: Door) -> list[Path]:
    return sorted((door.platform.settings.data_dir / "inputs").glob("*"))


# --- taken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tokens", "scripts"])
def test_a_recording_is_stored_and_answered_at_once(door, ann, token, script, kind) -> None:
    line_id = token if kind == "tokens" else script
    answer = send(ann, f"/{kind}/{line_id}", **KOREAN)
    told = answer.json()
    assert answer.status_code == 202
    assert set(told) == {"message", "job_id", "status"}
    assert told["status"] == "processing"
    assert told["message"].startswith("업로드 완료")
    assert answer.headers["Location"] == f"/{kind}/analysis-result/{told['job_id']}"
    result = ann.get(answer.headers["Location"]).json()
    subject = f"{kind.removesuffix('s')}_id"
    assert result == {
        "status": "processing",
        subject: line_id,
        "progress": 40,
        "result": None,
        "message": "The recording is stored.",
    }
    heard = ann.get(f"{answer.headers['Location']}/recording")
    assert (heard.content, heard.headers["Content-Type"]) == (GOOD[1], "audio/ogg")
    with door.platform.reads() as session:
        assert session.get_one(Task, told["job_id"]).pipeline == "audio_analysis"


def test_a_player_gets_parts_of_a_recording(ann, token) -> None:
    where = f"/tokens/analysis-result/{sent(ann, f'/tokens/{token}')}/recording"
    part = ann.get(where, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, GOOD[1][10:20])
    assert ann.get(where, headers={"Range": "bytes=99999999-"}).status_code == 416


@pytest.mark.parametrize(
    ("name", "ending"),
    [("blob", ".ogg"), ("../../x.wav", ".ogg"), ("쥐.exe", ".ogg"), ("a.mp4", ".ogg")],
)
def test_what_a_file_is_decides_its_content_not_its_name(door, ann, token, name, ending) -> None:
    job = sent(ann, f"/tokens/{token}", (name, GOOD[1], "application/octet-stream"))
    (stored,) = (door.platform.settings.data_dir / "inputs" / job).iterdir()
    assert stored.name == f"recording{ending}"


# --- refused --------------------------------------------------------------------------------------

LONG = sounds.encoded(sounds.silence(125, 8000), codec="pcm_u8", rate=8000, given_rate=8000)
REFUSED: dict[str, tuple[tuple[str, bytes, str], int, str, str]] = {
    "empty": (("a.wav", b"", "audio/wav"), 400, "is empty", "비어 있습니다"),
    "undecodable": (
        ("a.wav", b"\0hello" * 500, "audio/wav"),
        422,
        "cannot be read",
        "읽을 수 없는",
    ),
    "cut header": (("a.wav", b"RIFF\0\0\0\0WAVE", "audio/wav"), 422, "cannot be read", "읽을 수"),
    "video": (("a.mp4", sounds.film(), "video/mp4"), 415, "is a video", "영상 파일"),
    "video as wav": (("a.wav", sounds.film(), "audio/wav"), 415, "is a video", "영상 파일"),
    "pdf": (("a.wav", b"%PDF-1.7 ...", "audio/wav"), 415, "a PDF document", "PDF 문서"),
    "page": (("a.html", b"<html></html>", "text/html"), 415, "text/html", "text/html"),
    "too long": (("a.wav", LONG, "audio/wav"), 413, "longer than 120 s", "120초"),
    "too large": (
        ("a.wav", GOOD[1] + b"\0" * LIMIT, "audio/wav"),
        413,
        "ACTVERSE_SPEECH__MAX_RECORDING_BYTES",
        "2분 이내",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_recording_is_refused_and_leaves_nothing(door, ann, token, what) -> None:
    file, status, english, korean = REFUSED[what]
    before = kept(door)
    told = send(ann, f"/tokens/{token}", file)
    assert (told.status_code, english in told.json()["detail"]) == (status, True), told.text
    said = send(ann, f"/tokens/{token}", file, **KOREAN).json()["detail"]
    assert korean in said, said
    assert kept(door) == before


def test_a_file_that_is_announced_too_large_is_refused_before_it_is_sent(
    door, token, monkeypatch
) -> None:
    monkeypatch.setattr(uploads, "LINGER_S", 0.1)
    host, port = door.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"POST /tokens/{token}/upload-audio HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {door.key}\r\nContent-Length: {10 * LIMIT}\r\n"
            "Content-Type: multipart/form-data; boundary=B\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("kind", ["tokens", "scripts"])
def test_nothing_is_compared_with_what_is_not_there(door, admin, ann, kind) -> None:
    before = kept(door)
    for state, status, said in [
        ("NO_AUDIO", 409, "no audio of the actor yet"),
        ("FAILED", 409, "cannot be used"),
        ("PREPARING", 503, "is being prepared"),
    ]:
        answer = send(ann, f"/{kind}/{line(door, admin, kind, state)}")
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
    assert send(ann, f"/{kind}/nobody").status_code == 404
    assert kept(door) == before


def test_another_users_comparison_is_not_there(ann, bob, admin, token) -> None:
    job = sent(ann, f"/tokens/{token}")
    for path in ("analysis-result/{}", "analysis-result/{}/recording", "analysis-progress/{}"):
        asked = path.format(job)
        assert bob.get(f"/tokens/{asked}").status_code == 404
        assert ann.get(f"/scripts/{asked}").status_code == 404
        assert ann.get(f"/tokens/{path.format('none')}").status_code == 404
    nobody = bob.get("/tokens/analysis-result/none").json()["detail"].replace("none", job)
    assert bob.get(f"/tokens/analysis-result/{job}").json()["detail"] == nobody
    assert admin.get(f"/tokens/analysis-result/{job}").status_code == 200


# --- how far it is --------------------------------------------------------------------------------


def told(client: httpx.Client, job: str, last: int = 0, **headers: str) -> list[dict[str, Any]]:
    """Every `progress` of a stream, until the server ends it."""
    found, number = [], 0
    headers = {"Last-Event-ID": str(last), **headers}
    with client.stream("GET", f"/tokens/analysis-progress/{job}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for text in answer.iter_lines():
            field, _, value = text.partition(": ")
            number = int(value) if field == "id" else number
            name = value if field == "event" else name
            if field == "data" and name == "progress":
                found.append({"id": number, **json.loads(value)})
    return found


def finish(door: Door, job: str, result: dict[str, Any] = RESULT) -> None:
    with door.platform.sessions.begin() as session:
        analyses.complete(session, job, f"key of {job}", result)
    door.succeed(job, recognition=result["RecognitionStatus"])


def test_a_stream_tells_40_70_90_100_and_ends_with_the_result(door, ann, token) -> None:
    job = sent(ann, f"/tokens/{token}")
    door.begin(job)
    door.progress(job, 0.5)
    finish(door, job)
    events = told(ann, job)
    assert [(e["progress"], e["status"]) for e in events] == [
        (40, "processing"),
        (70, "processing"),
        (90, "processing"),
        (100, "completed"),
    ]
    assert all(e["message"] for e in events)
    assert events[-1]["result"]["NBest"] == RESULT["NBest"]
    assert "result" not in events[-2]
    for cut in range(4):
        assert told(ann, job, events[cut]["id"]) == events[cut + 1 :]
    whole = ann.get(f"/tokens/analysis-result/{job}").json()
    assert (whole["status"], whole["progress"]) == ("completed", 100)
    assert whole["result"] == events[-1]["result"]


def test_watchers_see_it_live_each_in_their_language(door, ann, token) -> None:
    job = sent(ann, f"/tokens/{token}")
    heard: dict[str, list[dict[str, Any]]] = {}

    def follow(language: str) -> None:
        with door.client("ann") as client:
            heard[language] = told(client, job, **{"Accept-Language": language})

    watchers = [threading.Thread(target=follow, args=(name,)) for name in ("en", "ko", "ko")]
    for watcher in watchers:
        watcher.start()
    door.begin(job)
    finish(door, job)
    for watcher in watchers:
        watcher.join(20)
    assert [e["id"] for e in heard["en"]] == [e["id"] for e in heard["ko"]]
    assert heard["ko"][-1]["message"] == "분석이 완료되었습니다."
    advice = {name: heard[name][-1]["result"]["Feedback"][0]["text"] for name in heard}
    assert advice["en"].isascii()
    assert not advice["ko"].isascii()


@pytest.mark.parametrize(
    ("recognition", "said"),
    [
        ("NoMatch", "not recognised"),
        ("InitialSilenceTimeout", "is silent"),
        ("BabbleTimeout", "only noise"),
    ],
)
def test_what_was_not_recognised_is_complete_and_says_so(
    door, ann, token, recognition: str, said: str
) -> None:
    job = sent(ann, f"/tokens/{token}")
    door.begin(job)
    finish(door, job, {"RecognitionStatus": recognition, "NBest": [], "Feedback": []})
    whole = ann.get(f"/tokens/analysis-result/{job}").json()
    assert (whole["status"], said in whole["message"]) == ("completed", True), whole
    with door.platform.reads() as session:
        assert session.get_one(AnalysisResult, job).pron_score is None


@pytest.mark.parametrize(
    ("error", "english", "korean"),
    [
        (TooLongAudio(120), "longer than 120 s", "최대 길이: 120초"),
        (GivenUp(ScorerCrashed("it died"), 3), "again and again", "거듭 중단"),
        (Terminal("KeyError: 'x'"), "The comparison failed", "분석에 실패했습니다"),
    ],
)
def test_a_failure_says_why_in_the_readers_language(
    door, ann, token, error: ActverseError, english: str, korean: str
) -> None:
    job = sent(ann, f"/tokens/{token}")
    door.begin(job)
    if isinstance(error, TooLongAudio):
        with door.platform.sessions.begin() as session:
            analyses.fail(session, job, problems.kept(error))
    door.fail(job, error)
    whole = ann.get(f"/tokens/analysis-result/{job}").json()
    assert (whole["status"], whole["progress"], whole["result"]) == ("failed", 100, None)
    assert english in whole["message"]
    last = told(ann, job, **KOREAN)[-1]
    assert (last["status"], last["progress"], korean in last["message"]) == ("failed", 100, True)


def test_a_comparison_that_is_tried_again_begins_anew(door, ann, token) -> None:
    job = sent(ann, f"/tokens/{token}")
    door.begin(job)
    door.fail(job, Terminal("The disk is full."))
    before = told(ann, job)
    assert ann.post(f"/tasks/{job}/retry").status_code == 202
    assert ann.get(f"/tokens/analysis-result/{job}").json()["progress"] == 40
    door.begin(job)
    finish(door, job)
    again = told(ann, job, before[-1]["id"])
    assert [e["progress"] for e in again] == [40, 70, 90, 100]
    assert again[-1]["status"] == "completed"


def test_a_cancelled_comparison_says_so(door, ann, token) -> None:
    job = sent(ann, f"/tokens/{token}")
    assert ann.post(f"/tasks/{job}/cancel").status_code == 202
    whole = ann.get(f"/tokens/analysis-result/{job}").json()
    assert (whole["status"], whole["message"]) == ("failed", "The comparison was cancelled.")


def test_a_recording_that_nobody_is_asked_to_compare_does_not_stay(
    door, ann, token, monkeypatch
) -> None:
    before = kept(door)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(wishes, "submit", broken)
    assert send(ann, f"/tokens/{token}").status_code == 500
    assert kept(door) == before
    with door.platform.reads() as session:
        jobs = {job for (job,) in session.query(AnalysisResult.job_id)}
        tasks = {task.id for task in session.query(Task).filter_by(pipeline="audio_analysis")}
    assert jobs == tasks
