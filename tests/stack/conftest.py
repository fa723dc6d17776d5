"""A whole embedded mesh, started once for all tests of this folder, and ended after them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli.client import Client
from deploy.local import triton
from deploy.local.mesh import Mesh
from deploy.simulator.arena import render_arena
from shared.settings import Settings
from tests.stack.person import Person

FAST = {"epochs": 1, "imgsz": 96, "batch": 8}


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("stack")
    settings = {
        "ACTVERSE_DATA_DIR": str(folder / "data"),
        "ACTVERSE_MODEL__REPOSITORY": str(folder / "triton_models"),
        "ACTVERSE_LABELING__POLL_S": "0.5",
        "ACTVERSE_NETWORK__ALLOW": '["127.0.0.1/32"]',
        "ACTVERSE_NETWORK__STALL_S": "2",
        "ACTVERSE_GATEWAY__MAX_UPLOAD_BYTES": str(64 * 1024**2),
    }
    patch = pytest.MonkeyPatch()
    for name, value in settings.items():
        patch.setenv(name, value)
    running = Mesh(Settings(), port=triton.free_ports(1)[0], quiet=True)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        patch.undo()
    assert not [p for p in running.supervisor.programs if p.runs]


@pytest.fixture(scope="session")
def client(mesh: Mesh) -> Iterator[Client]:
    with Client(mesh.url, mesh.key) as made:
        yield made


@pytest.fixture(scope="session")
def person(mesh: Mesh) -> Iterator[Person]:
    """The first user, who reads every answer."""
    made = Person(mesh.url, mesh.key)
    yield made
    made.close()


@pytest.fixture(scope="session")
def stored(person: Person, arena: tuple[Path, Path]) -> str:
    """The key of a good video that lies in the storage."""
    return person.fetched(arena[0])[1]


@pytest.fixture
def still_serves(mesh: Mesh, person: Person, stored: str) -> Iterator[None]:
    """After the test the next task succeeds, and no process has died of what was sent."""
    before = {program.name: len(program.deaths) for program in mesh.supervisor.programs}
    yield
    wish = {"file_path": stored, "num_frames": 2}
    assert person.post("/video/extract-frames", wish, wait_s=30).given()["frames"] == 2
    after = {program.name: len(program.deaths) for program in mesh.supervisor.programs}
    assert after == before


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A short rendered video, and the csv with its true boxes."""
    folder = tmp_path_factory.mktemp("arena")
    video, truth = folder / "arena.mp4", folder / "arena.csv"
    render_arena(video, truth, seconds=3, fps=20, width=320, height=240, animals=2)
    return video, truth


def data_dir() -> Path:
    """Where the mesh of these tests keeps its files."""
    return Path(os.environ["ACTVERSE_DATA_DIR"])
