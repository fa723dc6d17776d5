"""The model of a task that is deleted: off the server, out of the repository, then all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from services.model_deployer import tasks
from services.model_deployer.engines.deployment import deploy
from shared.db.models import Deployment, Model
from shared.errors import NotFound, Unavailable
from shared.flow import deletion
from shared.platform import Platform
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.repository import ModelRepository
from tests.services.model_trainer.rounds_world import round_one
from tests.shared.web.door import Door


class Away(OpenVinoServer):
    """A server that does not answer."""

    def unload(self, name: str) -> None:
        raise Unavailable(f"{name}: nobody is there")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with Door.opened(tmp_path / "data", model={"repository": tmp_path / "models"}) as opened:
        yield opened


@pytest.fixture
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


def served_by(door: Door, server: OpenVinoServer) -> Platform:
    return replace(door.platform, model_server=lambda: server)


def left(door: Door, task_id: str) -> int:
    with door.platform.reads() as session:
        return sum(
            session.query(e).filter(e.task_id == task_id).count() for e in (Model, Deployment)
        )


def test_the_deployer_does_its_part_of_a_deletion(door: Door, ann, tiny_onnx: Path) -> None:
    models = ModelRepository.from_settings(door.platform.settings.model)
    server = OpenVinoServer(models, "in a test")
    task_id, other = round_one(door), round_one(door)
    for each in (task_id, other):
        deploy(
            models, server, f"task-{each}", 1, tiny_onnx, classes=("mouse", "fly"), image_size=64
        )
    assert ann.delete(f"/tasks/{task_id}", params={"model": True}).status_code == 202
    deletion.finish(door.platform)
    tasks.restore_models.function(served_by(door, Away(models, "in a test")))
    assert (left(door, task_id), deletion.finish(door.platform)) == (2, 0)
    for _ in range(2):
        tasks.restore_models.function(served_by(door, server))
    assert left(door, task_id) == 0
    with pytest.raises(NotFound):
        server.spec(f"task-{task_id}")
    assert [name for name in models.models() if name.startswith("task-")] == [f"task-{other}"]
    assert server.spec(f"task-{other}").version == 1
    assert left(door, other) == 2
    assert deletion.finish(door.platform) == 1
    assert ann.get(f"/tasks/{task_id}").status_code == 404
