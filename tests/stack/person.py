"""A person at the REST interface: what they send, and what they read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from deploy.local.mesh import Mesh
from shared import wiring
from shared.admission.callers import new_key, user_named
from shared.settings import Settings

ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def told(self) -> str:
        """The sentence of a refusal."""
        return str(self.body["detail"])

    def refused(self, status: int, *words: str) -> Self:
        """Assert a refusal whose sentence has `words` in it."""
        assert self.status == status, self.body
        assert self.headers["content-type"] == "application/problem+json"
        assert self.body["status"] == status
        for word in words:
            assert word in self.told, self.told
        return self

    def given(self, status: int = 200) -> Any:
        """The body of a request that was granted."""
        assert self.status == status, self.body
        return self.body


class Person:
    """Somebody with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        wait_s: int | None = None,
        **more: Any,
    ) -> Answer:
        """One request; `body` is JSON (a text is sent as it is)."""
        headers = dict(more.pop("headers", {}))
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            more["content"] = body if isinstance(body, str) else json.dumps(body)
        answer = self._http.request(method, path, headers=headers, **more)
        parsed = answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
        return Answer(answer.status_code, parsed, answer.headers)

    def post(self, path: str, body: Any = None, *, wait_s: int | None = None) -> Answer:
        return self.ask("POST", path, body, wait_s=wait_s)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def send(self, content: bytes, name: str = "film.mp4", kind: str = "video/mp4") -> Answer:
        """POST /uploads/."""
        return self.ask("POST", "/uploads/", files={"file": (name, content, kind)})

    def uploaded(self, path: Path) -> str:
        """The `file_path` of a file that was sent."""
        return str(self.send(path.read_bytes(), path.name).given(201)["file_path"])

    def submit(self, file_path: str, **options: Any) -> str:
        body = {"file_path": file_path, "options": {"labeler": "folder", **options}}
        return str(self.post("/tasks/", body).given(202)["task_id"])

    def fetched(self, path: Path) -> tuple[str, str]:
        """Task and storage key of a video that was sent and checked."""
        body = {"file_path": self.uploaded(path)}
        done = self.post("/video/download", body, wait_s=30).given()
        return str(done["task_id"]), str(done["download_path"])

    def until(
        self, task_id: str, true: Callable[[dict[str, Any]], bool], within_s: float = 60.0
    ) -> dict[str, Any]:
        """The status of a task as soon as `true` of it."""
        deadline = time.monotonic() + within_s
        while not true(status := self.get(f"/status/{task_id}").given()):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return dict(status)

    def ended(self, task_id: str, within_s: float = 90.0) -> dict[str, Any]:
        """The status of a task that has ended."""
        return self.until(task_id, lambda status: status["state"] in ENDED, within_s)

    def failed(self, task_id: str, step: str, code: str, *words: str) -> str:
        """Assert how a task failed; the sentence."""
        status = self.ended(task_id)
        assert status["state"] == "FAILED", status
        error = status["error"]
        assert (error["step"], error["code"]) == (step, code), error
        assert state_of(status, step)["error"]["message"] == error["message"]
        for word in words:
            assert word in error["message"], error["message"]
        return str(error["message"])


def state_of(status: dict[str, Any], step: str) -> dict[str, Any]:
    """One step of a status."""
    return next(s for s in status["process_status"] if s["step"] == step)


@contextmanager
def stranger(mesh: Mesh, name: str) -> Iterator[Person]:
    """Another user, whom the operator has given a key."""
    platform = wiring.build(Settings())
    with platform.sessions.begin() as session:
        key = new_key(session, user_named(session, name))
    platform.engine.dispose()
    person = Person(mesh.url, key)
    yield person
    person.close()
