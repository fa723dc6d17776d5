"""CVAT 2.x over plain HTTP: the few calls that the engine needs, and its errors in our words.

Written from the documented REST API (2.58) and tested against a server that answers as documented;
not yet run against a live CVAT. The address is the operator's own setting, so it may be private;
the token or password goes with every request and never into an error or a log.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from services.labeling_manager.errors import CvatAccountRefused, CvatNotConnected, CvatRefuses
from shared.admission.labelers import has_cvat
from shared.errors import NotFound, Unavailable
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import revealed

CONNECT_S = 5.0
ANSWER_S = 60.0
PAGE = 100
FILES_AT_ONCE = 50
BYTES_AT_ONCE = 50 << 20  # CVAT's own client sends at most 100 MiB in a request
IMAGE_QUALITY = 95  # percent, of the copies that annotators see
PREPARED_S = 900.0  # CVAT cuts uploaded images into chunks; thousands take minutes
LOOK_S = 0.5
TOLD = 300  # characters of the tool's own sentence
FINISHED, FAILED = "finished", "failed"

Json = dict[str, Any]


class Cvat:
    """A connection; cheap to make, close it (or use it as a context)."""

    def __init__(self, url: str, auth: httpx.Auth | str, organisation: str = "") -> None:
        self.url = url.rstrip("/")
        headers = {"User-Agent": "actverse", "Accept": "application/vnd.cvat+json"}
        if isinstance(auth, str):
            headers["Authorization"] = f"Bearer {auth}"
        if organisation:
            headers["X-Organization"] = organisation
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            headers=headers,
            auth=auth if isinstance(auth, httpx.Auth) else None,
            trust_env=False,
            verify=_trust(),
        )

    @classmethod
    def of(cls, settings: LabelingSettings) -> Self:
        """The one that the operator has connected. Raises `CvatNotConnected`."""
        if not has_cvat(settings):
            raise CvatNotConnected
        user, _, password = (revealed(settings.cvat_login) or "").partition(":")
        auth: httpx.Auth | str = revealed(settings.cvat_token) or httpx.BasicAuth(user, password)
        return cls(settings.cvat_url, auth, settings.cvat_organisation)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    # --- projects -----------------------------------------------------------------------------

    def project_named(self, name: str) -> int | None:
        """The oldest project of exactly this name, or None."""
        found = (p for p in self._all("/api/projects", name=name) if p.get("name") == name)
        return min((int(project["id"]) for project in found), default=None)

    def make_project(self, name: str, classes: Sequence[str]) -> int:
        """A new project whose labels are boxes; its number."""
        labels = [{"name": each, "type": "rectangle", "attributes": []} for each in classes]
        body = {"name": name, "labels": labels}
        return int(self._call("POST", "/api/projects", json=body)["id"])

    def labels(self, project: int) -> dict[int, str]:
        """Names of the labels by their numbers."""
        return {int(row["id"]): row["name"] for row in self._all("/api/labels", project_id=project)}

    def jobs(self, project: int) -> list[Json]:
        """Every annotation job: task_id, start_frame, stop_frame, state, stage, updated_date."""
        jobs = self._all("/api/jobs", project_id=project)
        return [job for job in jobs if job.get("type", "annotation") == "annotation"]

    # --- tasks --------------------------------------------------------------------------------

    def tasks(self, project: int) -> list[Json]:
        """Every task of a project: id, name."""
        return list(self._all("/api/tasks", project_id=project))

    def make_task(self, project: int, name: str, segment_size: int) -> int:
        """A new task without images, whose jobs will have `segment_size` frames each."""
        body = {"name": name, "project_id": project, "segment_size": segment_size, "overlap": 0}
        return int(self._call("POST", "/api/tasks", json=body)["id"])

    def rename_task(self, task: int, name: str) -> None:
        """Give a task another name."""
        self._call("PATCH", f"/api/tasks/{task}", json={"name": name})

    def delete_task(self, task: int) -> None:
        """Remove it with everything in it; harmless when it is gone."""
        try:
            self._call("DELETE", f"/api/tasks/{task}")
        except NotFound:
            return

    def upload(self, task: int, images: Sequence[Path]) -> None:
        """Give a new task its images, in the order of their names, and wait until it has them."""
        path = f"/api/tasks/{task}/data/"
        self._call("POST", path, headers={"Upload-Start": ""})
        for group in _groups(images):
            with ExitStack() as opened:
                files = {
                    f"client_files[{i}]": (image.name, opened.enter_context(image.open("rb")))
                    for i, image in enumerate(group)
                }
                quality = {"image_quality": str(IMAGE_QUALITY)}
                headers = {"Upload-Multiple": ""}
                self._call("POST", path, headers=headers, files=files, data=quality)
        body = {"image_quality": IMAGE_QUALITY, "sorting_method": "lexicographical"}
        answer = self._call("POST", path, headers={"Upload-Finish": ""}, json=body)
        self._wait(str(answer.get("rq_id", "")), task)

    def meta(self, task: int) -> Json:
        """`frames` (name, width, height) in order, and the numbers of `deleted_frames`."""
        found: Json = self._call("GET", f"/api/tasks/{task}/data/meta")
        return found

    def annotations(self, task: int) -> Json:
        """`shapes` and `tracks` of a task."""
        found: Json = self._call("GET", f"/api/tasks/{task}/annotations/")
        return found

    def put_shapes(self, task: int, shapes: Sequence[Json]) -> None:
        """Replace what is drawn in a task."""
        body = {"version": 0, "tags": [], "shapes": list(shapes), "tracks": []}
        self._call("PUT", f"/api/tasks/{task}/annotations/", json=body)

    # --- requests -----------------------------------------------------------------------------

    def _wait(self, request: str, task: int) -> None:
        if not request:
            raise CvatRefuses(
                self.url,
                f"the images of task {task}",
                "it named no request to wait for; CVAT 2.19 or newer is needed.",
            )
        end = time.monotonic() + PREPARED_S
        while time.monotonic() < end:
            found = self._call("GET", f"/api/requests/{quote(request, safe='')}")
            if found["status"] == FINISHED:
                return
            if found["status"] == FAILED:
                told = str(found.get("message", ""))[:TOLD] or "no reason given"
                raise CvatRefuses(self.url, f"the images of task {task}", told)
            time.sleep(LOOK_S)
        raise Unavailable(f"CVAT at {self.url} still prepares the images of its task {task}.")

    def _all(self, path: str, **query: object) -> Iterator[Json]:
        """Every row of a list, page by page."""
        page = 1
        while True:
            params: dict[str, Any] = {**query, "page": page, "page_size": PAGE}
            answer = self._call("GET", path, params=params)
            yield from answer["results"]
            if not answer.get("next"):
                return
            page += 1

    def _call(self, method: str, path: str, **more: Any) -> Any:
        """The JSON of an answer. Raises one of our errors, none of which names the secret."""
        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            why = type(error).__name__
            raise Unavailable(f"CVAT at {self.url} does not answer ({why}).") from error
        status = answer.status_code
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise CvatAccountRefused(self.url, path)
        if status == httpx.codes.NOT_FOUND:
            raise NotFound(f"CVAT at {self.url} has no {path}.")
        if status == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise Unavailable(f"CVAT at {self.url} answers {path} with {status}; later again.")
        if not answer.is_success:
            raise CvatRefuses(self.url, path, f"{status} {answer.text[:TOLD]}")
        if not answer.content:
            return {}
        try:
            return answer.json()
        except ValueError as error:
            raise CvatRefuses(self.url, path, "its answer is no JSON. Is this a CVAT?") from error


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes longer than a request."""
    return httpx.create_ssl_context()


def _groups(images: Sequence[Path]) -> Iterator[list[Path]]:
    """Images for one request each: few, and not too large together."""
    group: list[Path] = []
    size = 0
    for image in images:
        length = image.stat().st_size
        if group and (len(group) == FILES_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(image)
        size += length
    if group:
        yield group
