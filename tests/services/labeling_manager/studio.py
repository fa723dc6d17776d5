"""A mesh beside a real Label Studio, and the person who labels in it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.labeling_manager.engines.label_studio import LabelStudioEngine
from services.labeling_manager.engines.label_studio_format import region
from shared import wiring
from shared.db.learning_models import LabelItem
from shared.db.models import Task, User
from shared.labels.boxes import Box
from shared.platform import Platform
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import Settings
from tests.contracts.labeling import SPEC
from tests.servers.label_studio import ACCOUNT, LabelStudioServer
from tests.shared.db import prepared

_NAMES = itertools.count()


def mesh(folder: Path, server: LabelStudioServer, **labeling: Any) -> Platform:
    """An embedded mesh that knows the tool, and has the task of the contract."""
    given = {"label_studio_url": server.url, "label_studio_token": ACCOUNT.token, **labeling}
    folder.mkdir(parents=True, exist_ok=True)
    platform = wiring.build(Settings(data_dir=folder, labeling=LabelingSettings(**given)))
    prepared.upgrade(platform.engine)
    with platform.sessions.begin() as session:
        if session.get(Task, SPEC.task_id) is None:
            user = User(name=f"ann-{next(_NAMES)}")
            session.add(user)
            session.flush()
            session.add(
                Task(
                    id=SPEC.task_id,
                    user_id=user.id,
                    pipeline="vision",
                    state="RUNNING",
                    options={},
                    context={},
                )
            )
    return platform


@dataclass
class Annotator:
    """What a browser does when a person labels; it looks frames up by `data.frame`, as people do."""

    http: httpx.Client

    def projects(self) -> list[dict[str, Any]]:
        return self._ok(self.http.get("/api/projects/", params={"page_size": 100}))["results"]

    def tidy(self) -> None:
        """Remove every project, so that each test begins with an empty tool."""
        for project in self.projects():
            self.http.delete(f"/api/projects/{project['id']}/").raise_for_status()

    def tasks(self, project: int | None = None) -> dict[int, dict[str, Any]]:
        """Every task by its frame, with predictions and annotations."""
        project = project or self.projects()[0]["id"]
        found, page = {}, 1
        while True:
            query = {"project": project, "page": page, "page_size": 1000, "fields": "all"}
            answer = self._ok(self.http.get("/api/tasks", params=query))
            for task in answer["tasks"]:
                assert task["data"]["frame"] not in found, "a frame is there twice"
                found[task["data"]["frame"]] = task
            if len(found) >= answer["total"] or not answer["tasks"]:
                return found
            page += 1

    def submit(self, task: int, result: list[dict[str, Any]], **more: Any) -> int:
        """Send an annotation; its number."""
        body = {"result": result, "lead_time": 2.0, **more}
        return self._ok(self.http.post(f"/api/tasks/{task}/annotations/", json=body))["id"]

    def draw(self, frame: int, boxes: Sequence[Box], **more: Any) -> int:
        task = self.tasks()[frame]["id"]
        result = [region(box, SPEC.classes, n) for n, box in enumerate(boxes)]
        return self.submit(task, result, **more)

    def skip(self, frame: int) -> int:
        return self.submit(self.tasks()[frame]["id"], [], was_cancelled=True)

    def change(self, annotation: int, boxes: Sequence[Box]) -> None:
        result = [region(box, SPEC.classes, n) for n, box in enumerate(boxes)]
        self._ok(self.http.patch(f"/api/annotations/{annotation}/", json={"result": result}))

    @staticmethod
    def _ok(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()


def engine_of(platform: Platform) -> LabelStudioEngine:
    """As another process would make it."""
    return LabelStudioEngine.from_platform(platform)


def items_of(platform: Platform) -> dict[int, str | None]:
    """Our frame -> the tool's task, as the table says."""
    with platform.reads() as session:
        return {row.frame: row.item for row in session.query(LabelItem)}
