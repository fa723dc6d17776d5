"""Flower over our own broker: it sees the workers and their tasks, and lets nobody else look."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from shared.errors import BadInput
from shared.flow.flower import checked
from shared.pipelines import atlas
from shared.setting_groups.watching import FlowerSettings
from tests.servers.worlds import settings_of
from tests.shared.flow import probe_service
from tests.shared.flow.conftest import ROOT, ProbeMesh

PASSWORD = "of-the-operators-only"
LOGIN = ("actverse", PASSWORD)


def start_flower(env: dict[str, str], log: Path, **settings: str) -> subprocess.Popen[bytes]:
    given = {f"ACTVERSE_FLOWER__{name.upper()}": value for name, value in settings.items()}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "shared.flow.flower"],
            cwd=ROOT,
            env={**env, **given},
            stdout=output,
            stderr=output,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("servers", marks=pytest.mark.slow)]
)
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProbeMesh, httpx.Client]]:
    probe_service.install()
    folder = tmp_path_factory.mktemp("watched")
    world = settings_of(request.param, request)
    mesh = ProbeMesh(folder, worker__task_events="true", **world)
    port = free_port()
    flower = start_flower(
        mesh.env, folder / "flower.log", port=str(port), password=PASSWORD, host="127.0.0.1"
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:

        def up() -> bool:
            assert flower.poll() is None, (folder / "flower.log").read_text()
            try:
                return client.get("/healthcheck").status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_for(up)
            mesh.start_worker()
            yield mesh, client
        finally:
            flower.terminate()
            code = flower.wait(10)
            mesh.stop()
            atlas.PIPELINES.pop("probe")
    assert code == 0, "it ends when it is asked to"


def test_nobody_looks_without_the_password(watched: tuple[ProbeMesh, httpx.Client]) -> None:
    _, client = watched
    for path in ("/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"):
        assert client.get(path).status_code == 401, path
        assert client.get(path, auth=("actverse", "guess")).status_code == 401, path
        assert client.get(path, auth=("", "")).status_code == 401, path
    assert client.get("/metrics").status_code == 404  # Flower would tell them to anybody


def test_it_sees_workers_and_tasks(watched: tuple[ProbeMesh, httpx.Client]) -> None:
    mesh, client = watched

    def workers() -> list[str]:
        answer = client.get("/api/workers", params={"refresh": "1"}, auth=LOGIN)
        return [name.partition("@")[0] for name in answer.json()]

    wait_for(lambda: workers() == ["probe"])
    mesh.wait(mesh.submit())

    def succeeded() -> set[str]:
        tasks = client.get("/api/tasks", auth=LOGIN).json().values()
        return {task["name"] for task in tasks if task["state"] == "SUCCESS"}

    works = {f"probe.{name}" for name in ("first", "left", "right", "join", "last", "summarise")}
    wait_for(lambda: succeeded() >= works)
    page = client.get("/workers", auth=LOGIN)
    assert page.status_code == 200
    assert "probe@" in page.text


def test_it_is_for_looking_only(watched: tuple[ProbeMesh, httpx.Client]) -> None:
    """What is done to a task must be in the database; Flower would only tell Celery."""
    mesh, client = watched
    wait_for(lambda: client.get("/api/workers", params={"refresh": "1"}, auth=LOGIN).json())
    [worker] = client.get("/api/workers", auth=LOGIN).json()
    for path in (
        f"/api/worker/shutdown/{worker}",
        "/api/task/send-task/probe.first",
        "/api/task/revoke/none",
    ):
        assert client.post(path, auth=LOGIN).status_code == 403, path
    assert mesh.workers[0].poll() is None


@pytest.mark.parametrize(
    "given", [{"password": "too-short"}, {"password": PASSWORD, "user": "a:b"}, {}]
)
def test_credentials_that_can_be_guessed_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="ACTVERSE_FLOWER__"):
        checked(FlowerSettings(**given))


def test_it_does_not_start_without_a_password(tmp_path: Path) -> None:
    log = tmp_path / "flower.log"
    env = {**os.environ, "ACTVERSE_DATA_DIR": str(tmp_path)}
    assert start_flower(env, log, password="").wait(30) == 2
    assert "ACTVERSE_FLOWER__PASSWORD" in log.read_text()
