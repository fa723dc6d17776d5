"""Label Studio over plain HTTP: the few calls that the engine needs, and its errors in our words.

The address is the operator's own setting, so it may be private. The token is sent with every
request and never appears in an error or a log. A personal access token (a JWT) is exchanged for
short-lived access tokens, a legacy token is sent as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from services.labeling_manager.errors import ToolNotConnected, ToolRefuses, ToolTokenRefused
from shared.admission.labelers import has_label_studio
from shared.errors import Conflict, NotFound, Unavailable
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import revealed

CONNECT_S = 5.0
ANSWER_S = 60.0  # it imports 500 frames, or exports thousands, in one request
PAGE = 500
FILES_AT_ONCE = 50  # Django takes at most 100 files in a request
TOLD = 300  # characters of the tool's own sentence

LABELLED = ("total_annotations", "greater", "Number", 0)
SKIPPED_ONLY = (
    ("cancelled_annotations", "greater", "Number", 0),
    ("total_annotations", "equal", "Number", 0),
)
"""Conditions of `count_tasks`; a skipped annotation is not in `total_annotations`."""

Json = dict[str, Any]


class LabelStudio:
    """A connection; cheap to make, close it (or use it as a context)."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._is_personal = token.count(".") == 2
        self._access: str | None = None if self._is_personal else token
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            headers={"User-Agent": "actverse"},
            trust_env=False,
        )

    @classmethod
    def of(cls, settings: LabelingSettings) -> Self:
        """The one that the operator has connected. Raises `ToolNotConnected`."""
        if not has_label_studio(settings):
            raise ToolNotConnected
        return cls(settings.label_studio_url, revealed(settings.label_studio_token) or "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    # --- projects -----------------------------------------------------------------------------

    def project_titled(self, title: str) -> int | None:
        """The oldest project of exactly this title, or None."""
        query = {"title": title, "include": "id,title", "page_size": PAGE}
        found = self._call("GET", "/api/projects/", params=query)["results"]
        return min((int(p["id"]) for p in found if p.get("title") == title), default=None)

    def make_project(self, wish: Json) -> int:
        """A new project; its number."""
        return int(self._call("POST", "/api/projects/", json=wish)["id"])

    def project(self, project: int) -> Json:
        """Its counts and its configuration. Raises `NotFound`."""
        found: Json = self._call("GET", f"/api/projects/{project}/")
        return found

    def delete_project(self, project: int) -> None:
        """Remove it with everything in it; harmless when it is gone."""
        try:
            self._call("DELETE", f"/api/projects/{project}/")
        except NotFound:
            return

    # --- frames -------------------------------------------------------------------------------

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> list[int]:
        """Add tasks; their numbers in the same order."""
        answer = self._call(
            "POST",
            f"/api/projects/{project}/import",
            params={"return_task_ids": "true"},
            json=list(tasks),
        )
        numbers = [int(number) for number in answer.get("task_ids", ())]
        if len(numbers) != len(tasks):
            raise Unavailable(
                f"Label Studio at {self.url} took {len(numbers)} of {len(tasks)} frames."
            )
        return numbers

    def tasks(self, project: int) -> Iterator[Json]:
        """Every task of a project with its `data`."""
        page, seen = 1, 0
        while True:
            query: dict[str, Any] = {"project": project, "page": page, "page_size": PAGE}
            answer = self._call("GET", "/api/tasks", params={**query, "fields": "task_only"})
            yield from answer["tasks"]
            seen += len(answer["tasks"])
            if not answer["tasks"] or seen >= int(answer["total"]):
                return
            page += 1

    def count_tasks(self, project: int, *conditions: tuple[str, str, str, object]) -> int:
        """How many tasks meet all conditions: column, operator, type, value."""
        items = [
            {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
            for column, operator, kind, value in conditions
        ]
        query = json.dumps({"filters": {"conjunction": "and", "items": items}})
        params: dict[str, Any] = {"project": project, "page_size": 1, "query": query}
        return int(self._call("GET", "/api/tasks", params=params)["total"])

    def upload(self, project: int, images: Sequence[Path]) -> list[str]:
        """Put images into the tool without making tasks; their addresses there, in order."""
        addresses: list[str] = []
        for start in range(0, len(images), FILES_AT_ONCE):
            part = images[start : start + FILES_AT_ONCE]
            sent = self._call(
                "POST",
                f"/api/projects/{project}/import",
                params={"commit_to_project": "false"},
                files={str(n): (image.name, image.read_bytes()) for n, image in enumerate(part)},
            )
            for number in sent["file_upload_ids"]:
                stored = self._call("GET", f"/api/import/file-upload/{number}")["file"]
                addresses.append(f"/data/{str(stored).lstrip('/')}")
        return addresses

    def export(self, project: int) -> list[Json]:
        """Every task that somebody touched, with its annotations, as JSON."""
        answer = self._call("GET", f"/api/projects/{project}/export", params={"exportType": "JSON"})
        return answer if isinstance(answer, list) else []

    # --- webhooks -----------------------------------------------------------------------------

    def webhooks(self, project: int) -> list[Json]:
        """Those of a project."""
        answer = self._call("GET", "/api/webhooks/", params={"project": project})
        return answer if isinstance(answer, list) else []

    def make_webhook(self, wish: Json) -> None:
        """Have the tool call somebody about its annotations."""
        self._call("POST", "/api/webhooks/", json=wish)

    # --- one request --------------------------------------------------------------------------

    def _call(self, method: str, path: str, **sent: Any) -> Any:
        answer = self._send(method, path, **sent)
        if answer.status_code == httpx.codes.UNAUTHORIZED and self._is_personal:
            self._access = None  # it lives minutes: the long one makes another
            answer = self._send(method, path, **sent)
        self._check(answer, path)
        if not answer.content:
            return {}
        try:
            return answer.json()
        except ValueError as error:
            raise ToolRefuses(self.url, path, "its answer is no JSON") from error

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        if self._access is None:
            self._access = self._exchanged()
        scheme = "Bearer" if self._is_personal else "Token"
        headers = {"Authorization": f"{scheme} {self._access}"}
        return self._request(method, path, headers=headers, **sent)

    def _exchanged(self) -> str:
        path = "/api/token/refresh"
        answer = self._request("POST", path, json={"refresh": self._token})
        self._check(answer, path)
        return str(answer.json()["access"])

    def _request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **sent)
        except httpx.TimeoutException as error:
            raise Unavailable(f"Label Studio at {self.url} does not answer in time.") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unavailable(
                f"Label Studio at {self.url} cannot be reached ({type(error).__name__}). "
                "Start it (`make labelstudio`), or correct ACTVERSE_LABELING__LABEL_STUDIO_URL."
            ) from error

    def _check(self, answer: httpx.Response, path: str) -> None:
        status = answer.status_code
        if status < 300:
            return
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise ToolTokenRefused(self.url)
        if status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS:
            raise Unavailable(f"Label Studio at {self.url} answered {status}; it is tried again.")
        told = _told(answer)
        if status == httpx.codes.NOT_FOUND:
            raise NotFound(f"Label Studio at {self.url} knows no {path}: {told}")
        if status == httpx.codes.CONFLICT:
            raise Conflict(f"Label Studio at {self.url} refused {path}: {told}")
        raise ToolRefuses(self.url, path, told)


def _told(answer: httpx.Response) -> str:
    """The tool's own sentence: its `validation_errors`, or `detail`."""
    try:
        content = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    if not isinstance(content, Mapping):
        return str(content)[:TOLD]
    errors = content.get("validation_errors")
    if isinstance(errors, Mapping) and errors:
        parts = (
            f"{name}: {' '.join(map(str, told)) if isinstance(told, list) else told}"
            for name, told in errors.items()
        )
        return "; ".join(parts)[:TOLD]
    return str(content.get("detail") or content)[:TOLD]
