"""The REST interface as Python calls."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import httpx

from deploy.cli.login import kept
from deploy.local.state import STATE_FILE
from shared.errors import ActverseError, BadInput, Unavailable
from shared.settings import Settings

TIMEOUT_S = 60.0
PATIENT_TRIES = 20  # some 30 s


class Refused(ActverseError):
    """The server answered with a problem; its sentence is the message."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail", problem)))
        self.problem = problem
        self.status = status  # type: ignore[misc]


def address() -> tuple[str, str]:
    """URL and key: from ACTVERSE_URL and ACTVERSE_API_KEY, of `actverse login`, or of the mesh here.

    A key that was kept here is never sent to another server than the one that it was made for.
    """
    url, key = os.environ.get("ACTVERSE_URL"), os.environ.get("ACTVERSE_API_KEY") or None
    login = kept()
    if key is None and login is not None and url in {None, login.url}:
        return login.url, login.key
    first, here = Settings().data_dir / "api_key", local_url()
    url = url or here
    if key is None and url == here and first.exists():
        key = first.read_text(encoding="utf-8").strip()
    if url is None or key is None:
        raise Unavailable(
            "No mesh is running on this machine. Start one with `make up`, log in to another with "
            "`actverse login`, or set ACTVERSE_URL and ACTVERSE_API_KEY."
        )
    return url, key


def local_url() -> str | None:
    """Where the mesh of this machine listens, if one runs."""
    state = Settings().data_dir / STATE_FILE
    if not state.exists():
        return None
    return str(json.loads(state.read_text(encoding="utf-8"))["url"])


class Client:
    """A caller of the gateway; every method raises `Refused` or `Unavailable` with a sentence."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"ACTVERSE_URL {url!r} does not begin with http:// or https://.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, **more: Any) -> Any:
        """One request; the JSON of the answer."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise Unavailable(
                f"{self.url} does not answer ({error}). Is the mesh running? `make up` starts it."
            ) from error
        if answer.is_error:
            raise Refused(answer.status_code, _problem(answer))
        return answer.json() if answer.content else None

    def upload(self, path: Path) -> str:
        """Send a file; returns the `file_path` for a task."""
        with path.open("rb") as file:
            parts = {"file": (path.name, file, "application/octet-stream")}
            return str(self.call("POST", "/uploads/", files=parts, timeout=None)["file_path"])

    def submit(self, video: str, options: dict[str, Any], *, key: str | None = None) -> str:
        """Submit a URL or a local file; returns the task's id."""
        local = Path(video)
        file_path = video if "://" in video else self.upload(local)
        headers = {"Idempotency-Key": key} if key else {}
        body = {"file_path": file_path, "options": options}
        return str(self.call("POST", "/tasks/", json=body, headers=headers)["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """The task with steps and outputs."""
        return dict(self.call("GET", f"/tasks/{task_id}"))

    def delete(self, task_id: str, *, dry_run: bool = False, model: bool = False) -> dict[str, Any]:
        """Delete a task that has ended with all that belongs to it; what goes, and what stays.

        `dry_run` only looks. `model`: a model that is deployed goes too, which is refused otherwise.
        """
        asked = {"dry_run": dry_run, "model": model}
        return dict(self.call("DELETE", f"/tasks/{task_id}", params=asked))

    def status(self, task_id: str) -> dict[str, Any]:
        """How far the task is."""
        return dict(self.call("GET", f"/status/{task_id}"))

    def events(self, task_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Live events (name, data) until the task ends; reconnects where it left off."""
        return self.follow(f"/status/{task_id}/events")

    def follow(
        self, path: str, headers: dict[str, str] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events (name, data) of a stream until its `end`; reconnects where it left off."""
        last = "0"
        failures = 0
        while failures < PATIENT_TRIES:
            time.sleep(min(0.2 * failures, 2.0))  # a gateway that was killed is back in seconds
            try:
                for name, data, event_id in self._stream(
                    path, {**(headers or {}), "Last-Event-ID": last}
                ):
                    last, failures = event_id or last, 0
                    if name == "end":
                        return
                    yield name, data
            except Refused as refused:
                if refused.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
            except httpx.TransportError:
                pass  # it is opened again, from the last event on
            failures += 1
        raise Unavailable(f"The event stream of {self.url} keeps breaking off.")

    def _stream(
        self, path: str, headers: dict[str, str]
    ) -> Iterator[tuple[str, dict[str, Any], str | None]]:
        patience = httpx.Timeout(10, read=60)
        with self._http.stream("GET", path, headers=headers, timeout=patience) as answer:
            if answer.is_error:
                answer.read()
                raise Refused(answer.status_code, _problem(answer))
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    yield fields.get("event", ""), json.loads(fields["data"]), fields.get("id")
                    fields = {}


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return (
        found
        if isinstance(found, dict)
        else {"detail": f"{answer.status_code} {answer.text[:200]}"}
    )
