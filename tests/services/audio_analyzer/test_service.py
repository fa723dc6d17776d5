"""This mesh as an analysis server: what it fetches and for whom, what it remembers, whom it calls back."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.audio_analyzer import service
from services.audio_analyzer.engines.port import Reference, Score
from services.audio_analyzer.errors import UnreadableAudio
from services.audio_analyzer.remote_errors import NotCompared, WebhookBusy, WebhookRefused
from services.audio_analyzer.remote_schemas import ServiceJob
from services.audio_analyzer.service import References
from shared.db.models import Task
from shared.errors import Retryable
from shared.flow.work import Run
from shared.net.signed_calls import new_secret
from tests.services.audio_analyzer.questions import TEXT, Questions, questions_at
from tests.services.notification.receiver import Receiver, receiving, verified

SECRET = new_secret()
SCORED = {"RecognitionStatus": "NoMatch", "Feedback": []}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Questions]:
    network = {"allow": ["127.0.0.1/32"], "stall_s": 2}
    with questions_at(tmp_path_factory.mktemp("data"), network=network) as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@dataclass
class Shop:
    """A web server with files; paths that it does not know are 404."""

    url: str = ""
    files: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes, status: int = 200, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.files[path] = (status, named, content)
        return self.url + path


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append(self.path)
            status, headers, content = made.files.get(self.path, (404, {}, b""))
            with contextlib.suppress(OSError):
                self.send_response(status)
                if "Transfer-Encoding" not in headers:
                    headers = {"Content-Length": str(len(content)), **headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def wish(**changed: Any) -> dict[str, Any]:
    """What another mesh sends; nobody lives there, and nobody is asked at the door."""
    root = "http://127.0.0.1:9"
    told = {"audio_url": f"{root}/a.wav", "reference_url": f"{root}/r.wav", "text": TEXT}
    return told | {"webhook_url": f"{root}/hook", "webhook_secret": SECRET} | changed


# --- at the door ----------------------------------------------------------------------------------


def test_only_who_has_a_key_is_served(made: Questions) -> None:
    for path in ("/analyze-voice", "/analyze-script"):
        assert made.nobody.post(path, json=wish()).status_code == 401
        accepted = made.ann.post(path, json=wish())
        assert accepted.status_code == 202, accepted.text
        told = accepted.json()
        assert told["job_id"] == told["task_id"]
        assert (told["status"], told["webhook_secret"]) == ("processing", None)
        assert made.ann.get(told["status_url"]).status_code == 200


@pytest.mark.parametrize("name", ["audio_url", "reference_url", "webhook_url"])
@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://10.0.0.7/a.wav", 403),
        ("http://169.254.169.254/latest/meta-data/", 403),
        ("http://[::1]:5432/", 403),
        ("http://0.0.0.0/", 403),
        ("http://2130706434/a.wav", 403),
        ("https://user:hunter2@example.org/a.wav", 400),
        ("file:///etc/passwd", 422),
        ("ftp://example.org/a.wav", 422),
        ("javascript:alert(1)", 422),
    ],
)
def test_addresses_that_nobody_should_reach_are_refused_at_once(
    made: Questions, name: str, url: str, status: int
) -> None:
    refused = made.ann.post("/analyze-voice", json=wish(**{name: url}))
    assert refused.status_code == status, refused.text
    assert "hunter2" not in refused.text


def test_the_same_key_is_the_same_comparison(made: Questions) -> None:
    """Addresses are signed anew when a question is asked again; what is compared must be the same."""
    first = made.ann.post("/analyze-voice", json=wish(job_id="mine")).json()
    again = made.ann.post("/analyze-voice", json=wish(job_id="mine", audio_url=wish()["audio_url"]))
    assert again.json() == first
    assert first["job_id"] == "mine"
    other = made.ann.post("/analyze-voice", json=wish(job_id="mine", text="another line"))
    assert other.status_code == 422
    headers = {"Idempotency-Key": "mine.2"}
    tried = made.ann.post("/analyze-voice", json=wish(job_id="mine"), headers=headers).json()
    assert tried["task_id"] != first["task_id"]
    with made.door.client("bob") as bob:
        theirs = bob.post("/analyze-voice", json=wish(job_id="mine")).json()
    assert theirs["task_id"] != first["task_id"]


def test_who_sends_no_secret_is_given_one(made: Questions) -> None:
    told = made.ann.post("/analyze-voice", json=wish(webhook_secret=None, job_id="open")).json()
    again = made.ann.post("/analyze-voice", json=wish(webhook_secret=None, job_id="open")).json()
    assert told["webhook_secret"] == again["webhook_secret"] != SECRET
    weak = made.ann.post("/analyze-voice", json=wish(webhook_secret="whsec_c2hvcnQ="))
    assert weak.status_code == 422
    assert "24 to 64" in weak.json()["detail"]


def test_a_script_may_come_as_words(made: Questions) -> None:
    words = [{"text": word, "start_s": n / 2} for n, word in enumerate(TEXT.split())]
    asked = wish(words=words)
    del asked["text"]
    told = made.ann.post("/analyze-script", json=asked).json()
    with made.platform.reads() as session:
        options = session.get_one(Task, told["task_id"]).options
    assert (options["subject"], options["text"]) == ("script", TEXT)
    del asked["words"]
    assert made.ann.post("/analyze-script", json=asked).status_code == 422


# --- fetching -------------------------------------------------------------------------------------


def job_of(made: Questions, shop: Shop, **changed: Any) -> ServiceJob:
    told = {
        "task_id": made.door.user_id(f"job {len(shop.asked)} {id(shop)}"),  # any new id
        "user_id": "u",
        "subject": "token",
        "audio_url": shop.put("/said.ogg", b"what was said"),
        "reference_url": shop.put("/take", b"the take"),
        "text": TEXT,
        "webhook_url": "http://127.0.0.1:9/hook",
        "webhook_secret": SECRET,
    }
    return ServiceJob(**(told | changed))


def run_of(made: Questions, tries: int = 1) -> Run:
    return Run(made.platform, None, None, tries)  # type: ignore[arg-type]


def test_both_files_are_fetched_into_the_folder_of_the_task(made: Questions, shop: Shop) -> None:
    job = service.fetch(job_of(made, shop), run_of(made))
    assert job.problem is None
    assert job.recording_key == f"interim/{job.task_id}/recording.ogg"
    assert job.reference_key == f"interim/{job.task_id}/reference.bin"
    assert made.platform.storage.fetch(job.recording_key).read_bytes() == b"what was said"
    twice = service.fetch(job, run_of(made))
    assert twice == job


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (404, {}, "HTTP 404"),
        (403, {}, "HTTP 403"),
        (206, {}, "HTTP 206"),
        (302, {"Location": "http://169.254.169.254/latest/"}, "private or reserved"),
        (302, {"Location": "http://10.1.2.3/a.wav"}, "private or reserved"),
        (302, {"Location": "file:///etc/passwd"}, "cannot be fetched over HTTP"),
        (200, {"Content-Length": "999999999"}, "larger than 64 MB"),
    ],
)
def test_what_cannot_be_fetched_is_told_to_the_caller(
    made: Questions, shop: Shop, status: int, headers: dict[str, str], said: str
) -> None:
    url = shop.put("/bad", b"", status, **{n.replace("-", "_"): v for n, v in headers.items()})
    job = service.fetch(job_of(made, shop, audio_url=url), run_of(made))
    assert job.problem is not None
    assert said in job.problem["text"]
    assert service.compare(job, run_of(made), Remembering()) == job  # nobody looks at it


def test_a_file_that_grows_beyond_its_word_is_cut_off(
    made: Questions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made.platform.settings.speech, "max_recording_bytes", 1000)
    url = shop.put("/long", _chunked(b"x" * 1001), Transfer_Encoding="chunked")
    job = service.fetch(job_of(made, shop, audio_url=url), run_of(made))
    assert job.problem is not None
    assert "larger than" in job.problem["text"]
    assert not made.platform.storage.list(f"interim/{job.task_id}")


def _chunked(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"


def test_a_busy_server_is_asked_again_until_it_is_given_up(made: Questions, shop: Shop) -> None:
    url = shop.put("/busy", b"", 503, Retry_After="3")
    job = job_of(made, shop, audio_url=url)
    with pytest.raises(Retryable) as told:
        service.fetch(job, run_of(made, tries=service.FETCHING.times))
    assert told.value.retry_after_s == 3
    given_up = service.fetch(job, run_of(made, tries=service.FETCHING.times + 1))
    assert given_up.problem is not None
    assert given_up.problem["key"] == "error.fetched_busy"


# --- comparing ------------------------------------------------------------------------------------


@dataclass
class Remembering:
    """A scorer that counts how often it looks at takes."""

    name: str = "counting"
    feature_version: str = "1"
    looked_at: list[bytes] = field(default_factory=list)
    refusal: Exception | None = None

    def prepare_reference(self, audio: Path, text: str) -> Reference:
        self.looked_at.append(audio.read_bytes())
        return Reference(self.feature_version, text, 1.0, (), {})

    def score(self, reference: Reference, recording: Path) -> Score:
        del reference, recording
        if self.refusal is not None:
            raise self.refusal
        return Score("NoMatch", SCORED)


def test_the_take_of_a_class_is_looked_at_once(
    made: Questions, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "references", References(most=2))
    scorer = Remembering()

    def compared(take: bytes, text: str = TEXT) -> None:
        url = shop.put(f"/{take.decode()}", take)
        job = job_of(made, shop, reference_url=url, text=text)
        job = service.fetch(job, run_of(made))
        assert service.compare(job, run_of(made), scorer).recognition == "NoMatch"

    for take in (b"one", b"one", b"two", b"one", b"two"):
        compared(take)
    assert scorer.looked_at == [b"one", b"two"]
    compared(b"one", "another text")  # "one" of the first text goes: it was asked for before "two"
    compared(b"two")
    assert len(scorer.looked_at) == 3
    compared(b"one")
    scorer.feature_version = "2"
    compared(b"one")
    assert len(scorer.looked_at) == 5


# --- calling back ---------------------------------------------------------------------------------


def finished(made: Questions, shop: Shop, url: str, refusal: Exception | None = None) -> ServiceJob:
    job = service.fetch(job_of(made, shop, webhook_url=url), run_of(made))
    return service.compare(job, run_of(made), Remembering(refusal=refusal))


def test_the_caller_is_called_with_the_result_signed_for_him(
    made: Questions, shop: Shop, receiver: Receiver
) -> None:
    job = finished(made, shop, f"{receiver.url}/hook?job_id=7")
    assert service.call_back(job, run_of(made)) == job
    (call,) = receiver.calls
    assert call.path == "/hook?job_id=7"
    assert call.json == {"status": "success", "result": SCORED}
    assert verified(call, SECRET)
    assert not verified(call, new_secret())
    assert not made.platform.storage.exists(job.recording_key)
    assert not made.platform.storage.exists(job.reference_key)
    service.call_back(job, run_of(made))  # its worker was killed before it could say so
    assert len(receiver.calls) == 2


def test_a_failure_is_told_and_is_one_here_too(
    made: Questions, shop: Shop, receiver: Receiver
) -> None:
    job = finished(made, shop, f"{receiver.url}/hook", UnreadableAudio("recording.ogg"))
    with pytest.raises(NotCompared, match="cannot be read as sound") as told:
        service.call_back(job, run_of(made))
    assert told.value.code == "UnreadableAudio"
    (call,) = receiver.calls
    assert call.json["status"] == "failed"
    assert call.json["problem"]["key"] == "error.audio_unreadable"
    assert verified(call, SECRET)


@pytest.mark.parametrize(
    ("statuses", "error"),
    [
        ((500,), WebhookBusy),
        ((429,), WebhookBusy),
        ((404,), WebhookRefused),
        ((401,), WebhookRefused),
        ((307,), WebhookRefused),
    ],
)
def test_a_webhook_that_does_not_take_it(
    made: Questions, shop: Shop, receiver: Receiver, statuses: tuple[int, ...], error: Any
) -> None:
    url = receiver.answers("/hook", *statuses, Location=f"{receiver.url}/elsewhere")
    job = finished(made, shop, url)
    with pytest.raises(error):
        service.call_back(job, run_of(made))
    assert receiver.at("/elsewhere") == []
    assert made.platform.storage.exists(job.recording_key)
    assert json.loads(made.platform.storage.fetch(job.result_key).read_text()) == SCORED


def test_a_webhook_that_became_private_is_not_called(made: Questions, shop: Shop) -> None:
    job = finished(made, shop, "http://10.9.8.7/hook")
    with pytest.raises(Exception, match="private or reserved"):
        service.call_back(job, run_of(made))
