"""Whatever the OpenAPI description allows, and what it forbids, gets an answer that it promises."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Iterator

import pytest

from shared.admission.callers import new_key, user_named
from shared.db.speech_models import Token
from tests.shared.web.door import Door
from tests.shared.web.thrown import Thrower

OF_THEIR_OWN = ("/auth", "/mypage")
"""What these change is the caller: each of their operations has one to itself."""


@pytest.fixture(scope="module")
def thrower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thrower]:
    gateway = {"requests_per_minute": 0, "max_upload_bytes": 2 * 1024**2}
    accounts = {"attempts_per_minute": 100_000, "hash_memory_mib": 8}
    folder = tmp_path_factory.mktemp("data")
    network = {"allow": ["127.0.0.1"]}
    with Door.opened(folder, gateway=gateway, accounts=accounts, network=network) as door:
        yield Thrower(door, Keys(door), what_is_there(door))


class Keys:
    """An admin for all operations, or for one."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._shared = self._admin("thrower")

    def __call__(self, operation: str) -> str:
        own = operation.partition(" ")[2].startswith(OF_THEIR_OWN)
        return self._admin(operation) if own else self._shared

    def _admin(self, name: str) -> str:
        with self._door.platform.sessions.begin() as session:
            user = user_named(session, name)
            user.role = "admin"
            return new_key(session, user)


def what_is_there(door: Door) -> dict[str, str]:
    """An ended task and comparison, lines, a webhook ..., all the thrower's own."""
    task_id = door.submit("thrower")
    with door.client("thrower") as client:

        def made(path: str, **body: object) -> str:
            return str(client.post(path, json=body).raise_for_status().json()["id"])

        actor = made("/actors", name="Clark Gable")
        line = {"actor_id": actor, "text": "Frankly, my dear."}
        token = made("/tokens", film="Gone with the Wind", **line)
        script = made("/scripts", title="The farewell", **line)
        hook = made("/webhooks", url="http://127.0.0.1:9/hook", events=["EVENT_TASK_COMPLETED"])
        with door.platform.sessions.begin() as session:
            session.get_one(Token, token).state = "READY"
        sent = client.post(f"/tokens/{token}/upload-audio", files={"file": ("a.wav", tone())})
        job = str(sent.raise_for_status().json()["job_id"])
        for each in (task_id, job):  # their streams end
            client.post(f"/tasks/{each}/cancel").raise_for_status()
    return {
        "task_id": task_id,
        "actor_id": actor,
        "token_id": token,
        "script_id": script,
        "webhook_id": hook,
        "job_id": job,
        "frame": "0",
        "name": "results.csv",
        "sha256": "0" * 64,
    }


def tone() -> bytes:
    """A second of sound, as a wav file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        samples = (int(8000 * math.sin(2 * math.pi * 220 * n / 16000)) for n in range(16000))
        out.writeframes(b"".join(struct.pack("<h", each) for each in samples))
    return content.getvalue()


def broken(thrower: Thrower, cases: int) -> list[str]:
    return [
        line for operation in thrower.operations() for line in thrower.broken_by(operation, cases)
    ]


def test_a_few_requests_to_every_operation_break_nothing(thrower: Thrower) -> None:
    assert broken(thrower, 1) == []
    assert {200, 201, 202, 204, 404, 422} <= thrower.answered.keys()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_requests_to_every_operation_break_nothing(thrower: Thrower) -> None:
    assert broken(thrower, 50) == []
