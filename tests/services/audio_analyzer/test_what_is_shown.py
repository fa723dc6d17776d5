"""What readers of a task see of one that another mesh asked for: nothing that opens or signs anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.net.signed_calls import new_secret
from tests.services.audio_analyzer.questions import Questions, questions_at

HERE = "http://127.0.0.1:9"
SIGNED = f"1767225600-{'0f' * 32}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Questions]:
    network = {"allow": ["127.0.0.1/32"]}
    with questions_at(tmp_path_factory.mktemp("data"), network=network) as found:
        yield found


def wish(**more: object) -> dict[str, object]:
    return {
        "audio_url": f"{HERE}/audio/{SIGNED}/inputs/1/recording.wav",
        "reference_url": f"{HERE}/bucket/take.wav?X-Amz-Signature=abcdef&X-Amz-Expires=60",
        "webhook_url": f"{HERE}/hook",
    } | more


def test_a_task_shows_neither_its_secret_nor_addresses_that_open_files(made: Questions) -> None:
    secret = new_secret()
    asked = made.ann.post("/analyze-voice", json=wish(text="to be", webhook_secret=secret))
    assert asked.status_code == 202, asked.text
    task_id = asked.json()["task_id"]
    with made.door.client() as admin:
        for reader in (made.ann, admin):
            for path in (f"/tasks/{task_id}", "/tasks/", f"/status/{task_id}"):
                shown = reader.get(path)
                assert shown.status_code == 200
                for hidden in (secret, SIGNED, "abcdef"):
                    assert hidden not in shown.text
    known = made.ann.get(f"/tasks/{task_id}").json()["options"]
    assert known["webhook_url"] == f"{HERE}/hook"


@pytest.mark.parametrize("text", ["a\0b", "\x1b[2J", " "])
def test_a_word_that_nobody_can_say_is_refused(made: Questions, text: str) -> None:
    words = [{"text": "to"}, {"text": text}]
    assert made.ann.post("/analyze-script", json=wish(words=words)).status_code == 422
