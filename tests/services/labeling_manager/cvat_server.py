"""A CVAT for tests: a real HTTP server that answers as the documentation of CVAT 2.58 says.

It checks the shape of every request (method, path, headers, fields) and answers 400 with the reason
otherwise, so that a client which strays from the documentation fails. It is not CVAT.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "cvat-personal-access-token"
SIZE = (640, 480)
SHAPE_FIELDS = {
    *("type", "frame", "label_id", "points", "rotation", "occluded", "outside", "z_order"),
    *("group", "source", "score", "attributes"),
}


class Wrong(Exception):
    """A request that the documentation does not know."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


def see(condition: object, told: str, status: int = 400) -> None:
    if not condition:
        raise Wrong(status, told)


@dataclass
class Task:
    id: int
    name: str
    project: int
    segment_size: int
    uploading: bool = False
    names: list[str] = field(default_factory=list)
    prepared: bool = False
    looks: int = 0
    deleted: list[int] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)


class CvatServer:
    """The state, and the server over it."""

    def __init__(self, *, page: int = 2) -> None:
        self.page = page  # rows of a page at most, so that the client has to turn pages
        self.projects: dict[int, dict[str, Any]] = {}
        self.labels: dict[int, dict[str, Any]] = {}
        self.tasks: dict[int, Task] = {}
        self.calls: list[str] = []
        self.failing = ""  # a message with which preparing images fails
        self._next = 10
        self.wrong: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Silent."""

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    status, found = server.handle(self, body)
                except Wrong as wrong:
                    status, found = wrong.status, {"detail": str(wrong)}
                    if status == 400:
                        server.wrong.append(f"{self.command} {self.path}: {wrong}")
                text = b"" if found is None else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.cvat+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    # --- the API ---

    def handle(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.calls.append(f"{request.command} {parts.path}")
        see(request.headers.get("Authorization") == f"Bearer {TOKEN}", "Invalid token.", 401)
        see(request.headers.get("X-Organization") == "lab", "no organisation context")
        for pattern, verb in ROUTES:
            found = re.fullmatch(pattern, f"{request.command} {parts.path}")
            if found:
                return verb(self, *found.groups(), request=request, body=body, query=query)
        raise Wrong(404, "Not found.")

    def listed(self, rows: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, Any]:
        see({"page", "page_size"} <= query.keys(), "page and page_size are asked for")
        number, size = int(query["page"]), min(int(query["page_size"]), self.page)
        some = rows[(number - 1) * size : number * size]
        more = number * size < len(rows)
        following = f"{self.url}/?page={number + 1}" if more else None
        return 200, {"count": len(rows), "next": following, "previous": None, "results": some}

    def new_id(self) -> int:
        self._next += 1
        return self._next

    def list_projects(self, *, query: dict[str, str], **_: Any) -> tuple[int, Any]:
        return self.listed([p for p in self.projects.values() if p["name"] == query["name"]], query)

    def make_project(self, *, body: bytes, **_: Any) -> tuple[int, Any]:
        wish = json.loads(body)
        see(wish.keys() == {"name", "labels"}, f"ProjectWriteRequest: {sorted(wish)}")
        see(0 < len(wish["name"]) <= 256, "name")
        project = {"id": self.new_id(), "name": wish["name"]}
        self.projects[project["id"]] = project
        for label in reversed(wish["labels"]):  # numbers that are not in the order of the classes
            see(label.keys() == {"name", "type", "attributes"}, f"PatchedLabelRequest: {label}")
            see(label["type"] == "rectangle" and 0 < len(label["name"]) <= 64, "label")
            number = self.new_id()
            row = {"id": number, "name": label["name"], "project_id": project["id"]}
            self.labels[number] = row
        return 201, project

    def list_labels(self, *, query: dict[str, str], **_: Any) -> tuple[int, Any]:
        wanted = int(query["project_id"])
        return self.listed([r for r in self.labels.values() if r["project_id"] == wanted], query)

    def list_tasks(self, *, query: dict[str, str], **_: Any) -> tuple[int, Any]:
        wanted = int(query["project_id"])
        rows = [{"id": t.id, "name": t.name} for t in self.tasks.values() if t.project == wanted]
        return self.listed(rows, query)

    def list_jobs(self, *, query: dict[str, str], **_: Any) -> tuple[int, Any]:
        wanted = int(query["project_id"])
        rows = [job for t in self.tasks.values() if t.project == wanted for job in t.jobs]
        return self.listed(rows, query)

    def make_task(self, *, body: bytes, **_: Any) -> tuple[int, Any]:
        wish = json.loads(body)
        known = {"name", "project_id", "segment_size", "overlap"}
        see(wish.keys() == known, f"TaskWriteRequest: {sorted(wish)}")
        see(wish["project_id"] in self.projects and wish["segment_size"] > 0, "task")
        task = Task(self.new_id(), wish["name"], wish["project_id"], wish["segment_size"])
        self.tasks[task.id] = task
        return 201, {"id": task.id, "name": task.name}

    def task(self, number: str) -> Task:
        found = self.tasks.get(int(number))
        if found is None:
            raise Wrong(404, "Not found.")
        return found

    def rename(self, number: str, *, body: bytes, **_: Any) -> tuple[int, Any]:
        wish = json.loads(body)
        see(wish.keys() == {"name"}, "PatchedTaskWriteRequest")
        self.task(number).name = wish["name"]
        return 200, {"id": int(number)}

    def remove(self, number: str, **_: Any) -> tuple[int, Any]:
        del self.tasks[self.task(number).id]
        return 204, None

    def data(
        self, number: str, *, request: BaseHTTPRequestHandler, body: bytes, **_: Any
    ) -> tuple[int, Any]:
        task = self.task(number)
        see(not task.prepared, "Adding more data is not supported")
        kinds = [
            k for k in ("Upload-Start", "Upload-Multiple", "Upload-Finish") if k in request.headers
        ]
        see(len(kinds) == 1, f"one upload header, not {kinds}")
        if kinds == ["Upload-Start"]:
            task.uploading = True
            return 202, None
        see(task.uploading, "Upload-Start comes first")
        if kinds == ["Upload-Multiple"]:
            head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
            form = BytesParser().parsebytes(head + body)
            see(form.get_content_type() == "multipart/form-data", "multipart/form-data")
            fields = {
                str(part.get_param("name", header="content-disposition")): part
                for part in form.get_payload()  # type: ignore[union-attr]
            }
            see(fields.pop("image_quality").get_payload().isdigit(), "image_quality")
            see(set(fields) == {f"client_files[{i}]" for i in range(len(fields))}, "client_files")
            task.names += [str(part.get_filename()) for part in fields.values()]
            return 200, None
        wish = json.loads(body)
        see(wish.keys() == {"image_quality", "sorting_method"}, f"DataRequest: {sorted(wish)}")
        see(wish["sorting_method"] == "lexicographical", "sorting_method")
        task.names.sort()
        return 202, {"rq_id": f"action=create&target=task&id={task.id}"}

    def request(self, name: str, **_: Any) -> tuple[int, Any]:
        task = self.task(unquote(name).rpartition("=")[2])
        if self.failing:
            return 200, {"id": name, "status": "failed", "message": self.failing}
        task.looks += 1
        if task.looks == 1:
            return 200, {"id": name, "status": "started", "message": ""}
        if not task.prepared:
            task.prepared = True
            for start in range(0, len(task.names), task.segment_size):
                stop = min(start + task.segment_size, len(task.names)) - 1
                task.jobs.append(
                    {
                        "id": self.new_id(),
                        "task_id": task.id,
                        "project_id": task.project,
                        "type": "annotation",
                        "start_frame": start,
                        "stop_frame": stop,
                        "frame_count": stop - start + 1,
                        "state": "new",
                        "stage": "annotation",
                        "updated_date": datetime.now(UTC).isoformat(),
                    }
                )
        return 200, {"id": name, "status": "finished", "message": ""}

    def meta(self, number: str, **_: Any) -> tuple[int, Any]:
        task = self.task(number)
        frames = [
            {"name": name, "width": SIZE[0], "height": SIZE[1], "related_files": 0}
            for name in task.names
        ]
        return 200, {"size": len(frames), "frames": frames, "deleted_frames": task.deleted}

    def annotations(self, number: str, **_: Any) -> tuple[int, Any]:
        task = self.task(number)
        return 200, {"version": 1, "tags": [], "shapes": task.shapes, "tracks": task.tracks}

    def put_annotations(self, number: str, *, body: bytes, **_: Any) -> tuple[int, Any]:
        task, wish = self.task(number), json.loads(body)
        see(wish.keys() == {"version", "tags", "shapes", "tracks"}, "LabeledDataRequest")
        for shape in wish["shapes"]:
            see(shape.keys() <= SHAPE_FIELDS, f"LabeledShapeRequest: {sorted(shape)}")
            see(shape["type"] == "rectangle" and len(shape["points"]) == 4, "points")
            see(0 <= shape["frame"] < len(task.names), "frame")
            see(shape["label_id"] in self.labels, "label_id")
        task.shapes = [{**shape, "id": self.new_id()} for shape in wish["shapes"]]
        return 200, wish

    # --- what a person does ---

    def place(self, file: str) -> tuple[Task, int]:
        """The task and the index of an image."""
        return next((t, t.names.index(file)) for t in self.tasks.values() if file in t.names)

    def label_id(self, name: str) -> int:
        return next(number for number, row in self.labels.items() if row["name"] == name)

    def finish(self, file: str, **other: str) -> None:
        """Finish the job of an image."""
        task, index = self.place(file)
        for job in task.jobs:
            if job["start_frame"] <= index <= job["stop_frame"]:
                job |= {"state": "completed", "stage": "acceptance", **other}


ROUTES = (
    (r"GET /api/projects", CvatServer.list_projects),
    (r"POST /api/projects", CvatServer.make_project),
    (r"GET /api/labels", CvatServer.list_labels),
    (r"GET /api/jobs", CvatServer.list_jobs),
    (r"GET /api/tasks", CvatServer.list_tasks),
    (r"POST /api/tasks", CvatServer.make_task),
    (r"PATCH /api/tasks/(\d+)", CvatServer.rename),
    (r"DELETE /api/tasks/(\d+)", CvatServer.remove),
    (r"POST /api/tasks/(\d+)/data/", CvatServer.data),
    (r"GET /api/tasks/(\d+)/data/meta", CvatServer.meta),
    (r"GET /api/tasks/(\d+)/annotations/", CvatServer.annotations),
    (r"PUT /api/tasks/(\d+)/annotations/", CvatServer.put_annotations),
    (r"GET /api/requests/([^/]+)", CvatServer.request),
)
