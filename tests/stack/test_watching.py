"""One look at the gateway tells of every process of the mesh."""

from __future__ import annotations

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.flower import PASSWORD_FILE, LocalFlower
from deploy.local.mesh import Mesh
from shared.settings import Settings


class Figures:
    """What one look says."""

    def __init__(self, mesh: Mesh) -> None:
        answer = httpx.get(f"{mesh.url}/metrics", headers={"authorization": f"Bearer {mesh.key}"})
        self._samples = [
            sample
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        ]

    def total(self, name: str, **labels: str) -> float:
        fitting = (s for s in self._samples if s.labels.items() >= labels.items())
        return sum(sample.value for sample in fitting if sample.name == f"actverse_{name}")


def test_the_gateway_tells_what_all_processes_have_counted(mesh: Mesh, stored: str) -> None:
    worker = {"service": "video_processor"}
    deadline = time.monotonic() + 10
    while not Figures(mesh).total("works_total", **worker, outcome="succeeded"):
        assert time.monotonic() < deadline  # counted after the commit that the door has seen
        time.sleep(0.05)
    found = Figures(mesh)
    assert found.total("works_total", **worker) >= 1  # by a pool child of a worker
    assert found.total("events_handled_total", **worker) >= 1  # by the worker
    assert found.total("clock_rounds_total", outcome="done") >= 1
    assert found.total("tasks_submitted_total") >= 1  # by the gateway itself
    assert found.total("tasks", state="SUCCEEDED") >= 1
    assert found.total("dependency_up", dependency="database") == 1
    assert stored


def test_flower_has_a_password_of_its_own_that_is_kept(tmp_path) -> None:
    settings = Settings(data_dir=tmp_path)
    first, again = LocalFlower(settings), LocalFlower(settings)
    assert first.password == again.password
    assert len(first.password) >= 20
    assert (tmp_path / PASSWORD_FILE).stat().st_mode & 0o777 == 0o600
    assert first.url.startswith("http://127.0.0.1:")
    own = LocalFlower(Settings(data_dir=tmp_path, flower={"password": "of the operator"}))
    assert own.env["ACTVERSE_FLOWER__PASSWORD"] == "of the operator"
