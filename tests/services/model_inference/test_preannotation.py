"""Suggestions for the frames of a round: whose they are, and what stands in for a model that is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.model_inference import tasks
from services.model_inference.schemas import PreannotationJob
from shared.db.models import Deployment
from shared.flow.claims import WorkRef
from shared.flow.work import Run
from shared.progress.report import silent
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.repository import ModelRepository
from tests.conftest import TINY_CLASSES, TINY_SIZE
from tests.services.model_inference.test_still import frames_in
from tests.shared.web.door import Door


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture
def suggested(door: Door, tmp_path: Path, tiny_onnx: Path, other_onnx: Path):
    """What the task gives for three frames, with a global model and version 2 of a user's one."""
    models = ModelRepository(tmp_path / "models")
    server = OpenVinoServer(models, "a test")
    given = {"task": "detect", "image_size": TINY_SIZE}
    models.write("global", 1, tiny_onnx, classes=TINY_CLASSES, **given)
    task_id = door.submit("ann")
    for version, onnx, names in (
        (1, tiny_onnx, TINY_CLASSES),
        (2, other_onnx, ("cat", "dog", "fly")),
    ):
        models.write(f"task-{task_id}", version, onnx, classes=names, **given)
    with door.platform.sessions.begin() as session:
        row = Deployment(model=f"task-{task_id}", version=2, server="onnxruntime", parity={})
        session.add(row)
        session.flush()
        deployment_id = row.id
    folder = frames_in(tmp_path / "frames", 3)
    for file in folder.iterdir():
        door.keep(f"frames/{task_id}/{file.name}", file.read_bytes())
    platform = replace(door.platform, model_server=lambda: server)
    user_id = door.user_id("ann")
    ref = WorkRef(
        task_id=task_id,
        user_id=user_id,
        pipeline="vision_round",
        step="preannotation",
        step_run_id=1,
        attempt=1,
        token="t",
    )

    def run(*, deployed: bool) -> tuple[PreannotationJob, dict]:
        job = PreannotationJob(
            task_id=task_id,
            user_id=user_id,
            frame_path=f"frames/{task_id}",
            deployment_id=deployment_id if deployed else None,
        )
        done = tasks.preannotate.function(job, Run(platform, ref, silent, 1))
        key = f"{done.inference_result_path}/predictions.json"
        return done, json.loads(platform.storage.fetch(key).read_text(encoding="utf-8"))

    yield run, server, f"task-{task_id}"
    server.close()


def test_the_deployed_version_suggests(suggested) -> None:
    run, _, name = suggested
    done, told = run(deployed=True)
    assert done.preannotated_by == told["model"] == f"{name}/2"
    assert told["classes"] == ["cat", "dog", "fly"]
    assert set(told["frames"]) == {"0", "1", "2"}
    assert any(told["frames"].values())


def test_the_global_model_suggests_when_there_is_no_other(suggested) -> None:
    run, server, name = suggested
    done, told = run(deployed=False)
    assert (done.preannotated_by, told["model"]) == ("global", "global/1")
    assert told["classes"] == list(TINY_CLASSES)
    server.unload(name)
    done, _ = run(deployed=True)
    assert done.preannotated_by == "global"
