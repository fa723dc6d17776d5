"""One error shape, wherever the error comes from; and no secret in any of it."""

from __future__ import annotations

import logging

import pytest
import structlog
from fastapi import APIRouter
from sqlalchemy import create_engine, text

from shared import log
from shared.errors import OutOfSpace, Unavailable
from shared.redaction import without_secrets
from tests.shared.web.door import Door

MEMBERS = {"type", "title", "status", "detail", "code", "instance"}


@pytest.fixture(scope="module")
def broken(door: Door) -> None:
    """Routes that fail in every way."""
    router = APIRouter()

    @router.get("/broken/code")
    def code() -> None:
        raise RuntimeError("the password is hunter2")

    @router.get("/broken/disk")
    def disk() -> None:
        raise OSError(28, "No space left on device", "/data/x")

    @router.get("/broken/database")
    def database() -> None:
        with create_engine("sqlite://").begin() as connection:
            connection.execute(text("PRAGMA max_page_count = 2"))
            connection.execute(text("CREATE TABLE big AS SELECT zeroblob(100000)"))

    @router.get("/broken/later")
    def later() -> None:
        raise Unavailable("Triton does not answer.", retry_after_s=17.4)

    door.app.include_router(router)


CASES = [
    ("GET", "/nothing/here", {}, 404, "NotFound"),
    ("DELETE", "/tasks/", {}, 405, "MethodNotAllowed"),
    ("POST", "/tasks/", {"json": {}}, 422, "Invalid"),
    (
        "POST",
        "/tasks/",
        {"content": b"{broken", "headers": {"Content-Type": "application/json"}},
        400,
        "BadInput",
    ),
    ("GET", "/tasks/none", {}, 404, "NotFound"),
    ("GET", "/broken/code", {}, 500, "Internal"),
    ("GET", "/broken/disk", {}, 507, "OutOfSpace"),
    ("GET", "/broken/database", {}, 507, "OutOfSpace"),
    ("GET", "/broken/later", {}, 503, "Unavailable"),
    ("GET", "/tasks/", {"headers": {"Authorization": "Bearer x"}}, 401, "Unauthorised"),
]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(("method", "path", "more", "status", "code"), CASES)
def test_every_error_has_the_same_shape(admin, method, path, more, status, code) -> None:
    answer = admin.request(method, path, **more)
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert set(problem) - {"errors"} == MEMBERS
    assert problem["instance"] == path
    assert problem["detail"].endswith((".", "1", "required"))


@pytest.mark.usefixtures("broken")
def test_an_unexpected_error_says_nothing_of_itself(admin) -> None:
    assert "hunter2" not in admin.get("/broken/code").text


@pytest.mark.usefixtures("broken")
def test_who_should_come_back_is_told_when(admin) -> None:
    assert admin.get("/broken/later").headers["retry-after"] == "18"


def test_a_wrong_method_is_told_the_right_ones(admin) -> None:
    assert admin.delete("/tasks/").headers["allow"] == "GET, POST"
    assert admin.put("/tasks/1/outputs/a/b").headers["allow"] == "GET, HEAD"


def test_a_broken_body_is_not_repeated_to_its_sender(admin) -> None:
    answer = admin.post("/tasks/", json={"file_path": 7, "user_id": "hunter2" * 100})
    assert "hunter2" not in answer.text


SECRETS = {
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, they said": "whsec_***, they said",
    f"https://a.example/audio/1767225600-{'0f' * 32}/inputs/1/recording.wav": (
        "https://a.example/audio/***/inputs/1/recording.wav"
    ),
    "https://ann:hunter2@example.org/a.mp4": "https://***@example.org/a.mp4",
    "amqp://guest:guest@mq:5672//": "amqp://***@mq:5672//",
    "s3://b/k?X-Amz-Credential=AK/1&X-Amz-Signature=ab12&x=1": (
        "s3://b/k?X-Amz-Credential=***&X-Amz-Signature=***&x=1"
    ),
    "key av_b3fVa6I9pKdRzXtLI2YTw6bGxVYPV3NQHbnm failed": "key av_*** failed",
    "https://example.org/a@2.mp4 at 10:30": "https://example.org/a@2.mp4 at 10:30",
}


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_taken_out_of_texts(text: str) -> None:
    assert without_secrets(text) == SECRETS[text]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_reaches_the_log(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    try:
        log.configure("INFO", form, service="probe")
        away = ConnectionError("postgresql://ann:hunter2@db/x is away")
        structlog.get_logger("probe").error("probe.broke", exc_info=away)
        logging.getLogger("some.library").warning("GET %s", "https://a:hunter2@example.org/")
        structlog.get_logger("probe").info(
            "probe.key", key="av_" + "x" * 43, nested={"u": "r://a:hunter2@h"}
        )
    finally:
        root.handlers[:], level, config = before
        root.setLevel(level)
        structlog.configure(**config)
        structlog.contextvars.clear_contextvars()
    written = capsys.readouterr().err
    assert written.count("***") >= 4
    assert "hunter2" not in written
    assert "xxxxx" not in written


def test_a_full_disk_keeps_its_sentence() -> None:
    assert OutOfSpace.status == 507
