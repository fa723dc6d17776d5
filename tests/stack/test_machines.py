"""Services on machines of their own: they share the database, the broker and a bucket, no disk."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.cli.client import Client
from deploy.local import triton
from deploy.local.annotator import Annotator
from deploy.local.mesh import Mesh
from shared.pipelines import atlas
from shared.settings import Settings
from tests.servers.s3 import S3Server
from tests.stack.conftest import FAST

pytestmark = pytest.mark.slow


class Machines(Mesh):
    """A mesh whose services have a data folder each, and model_inference two."""

    def _start_programs(self) -> None:
        add, root = self.supervisor.add, self.settings.data_dir.absolute().parent / "machines"

        def apart(name: str, argv: list[str], env: dict[str, str], **more: Any) -> None:
            if name in atlas.services():
                env = {**env, "ACTVERSE_DATA_DIR": str(root / name)}
            add(name, argv, env, **more)
            if name == "model_inference":
                second = f"{name}_2"
                add(second, argv, {**env, "ACTVERSE_DATA_DIR": str(root / second)}, **more)

        self.supervisor.add = apart  # type: ignore[method-assign]
        super()._start_programs()


@pytest.fixture(scope="module")
def machines(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("machines")
    settings = {
        "ACTVERSE_DATA_DIR": str(folder / "data"),
        "ACTVERSE_DATABASE": f"sqlite:///{folder / 'data' / 'actverse.db'}",
        "ACTVERSE_BROKER": f"actverse+sqlite:///{folder / 'data' / 'broker.db'}",
        "ACTVERSE_STORAGE": f"s3://{s3_server.bucket()}?endpoint={s3_server.url}",
        "ACTVERSE_STORAGE_S3__ACCESS_KEY": s3_server.access_key,
        "ACTVERSE_STORAGE_S3__SECRET_KEY": s3_server.secret_key,
        "ACTVERSE_MODEL__REPOSITORY": str(folder / "triton_models"),
        "ACTVERSE_LABELING__POLL_S": "0.5",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        running = Machines(Settings(), port=triton.free_ports(1)[0], quiet=True)
        try:
            yield running.start()
        finally:
            running.stop()


@pytest.mark.timeout(600)
def test_a_task_passes_from_machine_to_machine(machines: Machines, arena: tuple[Path, Path]):
    video, truth = arena
    wish = {
        "num_frames": 16,
        "labeler": "folder",
        "classes": ["mouse"],
        "training": FAST,
        "inference": {"confidence": 0.05},
    }
    with Client(machines.url, machines.key) as client:
        task_id = client.submit(str(video), wish)
        annotator = Annotator(client, task_id, truth)
        annotator._data = machines.settings.data_dir.parent / "machines" / "labeling_manager"
        annotator.start()
        for _ in client.events(task_id):
            pass
        task = client.task(task_id)
        assert annotator.problem is None
        assert task["state"] == "SUCCEEDED", task["error"]
        names = {output["name"] for output in task["outputs"]}
        assert {"results.csv", "results.json", "overlaid_results.mp4"} < names
        found = httpx.get(
            f"{machines.url}/tasks/{task_id}/outputs/results.csv",
            headers={"Authorization": f"Bearer {machines.key}"},
            follow_redirects=True,  # to the bucket
        )
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert len(rows) == task["results"]["detections"]
    # nothing but what it was given: the services really had disks of their own
    root = machines.settings.data_dir.parent / "machines"
    assert not (root / "video_processor" / "train_log").exists()
    assert not (root / "model_deployer" / "videos").exists()
    assert not list(root.glob("*/actverse.db"))
    logs = (machines.settings.data_dir / "logs").glob("*")
    told = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
    assert told
    assert machines.settings.storage_s3.secret_key.get_secret_value() not in told
