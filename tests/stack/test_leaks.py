"""Fifty runs one after another: no process grows, and nothing is left on disk or in shared memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.cli.client import Client
from deploy.local import triton
from deploy.local.annotator import Annotator
from deploy.local.mesh import Mesh
from shared.settings import Settings
from tests.servers.ports import free_port
from tests.stack.conftest import FAST

ROUNDS = 50
WARM = 10  # rounds after which caches are full and every child has done every kind of work
MIB = 1024**2
GROWTH_BYTES = 40 * MIB  # of one program with its children, over all rounds after the warm ones
GROWTH_FILES = 3  # descriptors; a connection more or less is no leak


@pytest.fixture
def lone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    """A mesh whose temporary files lie in a folder of its own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ACTVERSE_MODEL__REPOSITORY", str(tmp_path / "triton_models"))
    monkeypatch.setenv("ACTVERSE_LABELING__POLL_S", "0.5")
    monkeypatch.setattr(tempfile, "tempdir", None)
    with Mesh(Settings(), port=free_port(), quiet=True) as mesh:
        yield mesh


def used(mesh: Mesh) -> dict[str, tuple[int, int]]:
    """Memory (bytes) and descriptors of each program with its children."""
    found = {}
    for program in mesh.supervisor.programs:
        assert program.process
        assert not program.deaths, f"{program.name} died"
        process = psutil.Process(program.process.pid)
        family = [process, *process.children(recursive=True)]
        memory = sum(each.memory_full_info().uss for each in family)
        found[program.name] = (memory, sum(each.num_fds() for each in family))
    return found


def left(mesh: Mesh, folder: Path) -> set[str]:
    """Temporary files, and regions of shared memory."""
    region = triton.REGION.format(mesh._triton_port)
    shared = {path.name for path in triton.SHARED_MEMORY.glob(f"*{region}*")}
    return shared | {path.name for path in (folder / "tmp").iterdir()}


def labelled(client: Client, arena: tuple[Path, Path]) -> str:
    """A task that has a model, labels and frames."""
    wish = {"num_frames": 16, "labeler": "folder", "classes": ["mouse"], "training": FAST}
    task_id = client.submit(str(arena[0]), wish)
    Annotator(client, task_id, arena[1]).start()
    for _ in client.events(task_id):
        pass
    task = client.task(task_id)
    assert task["state"] == "SUCCEEDED", task["error"]
    return task_id


def once(client: Client, task_id: str, upload: str) -> None:
    """Each kind of heavy work: decode, train, convert nothing, analyse, write."""
    wait = {"headers": {"Prefer": "wait=60"}}
    frames = {"file_path": upload, "num_frames": 4}
    client.call("POST", "/video/extract-frames", json=frames, **wait)
    wish = {"data_path": f"labels/{task_id}", "mode_train_info": FAST}
    client.call("POST", "/training", json=wish, **wait)
    video = {"data_path": upload, "confidence": 0.1, "max_frames": 20}
    client.call("POST", f"/models/{task_id}/inference", json=video, **wait)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_runs_leak_nothing(lone: Mesh, arena: tuple[Path, Path], tmp_path: Path) -> None:
    with Client(lone.url, lone.key) as client:
        task_id = labelled(client, arena)
        upload = client.upload(arena[0])
        for _ in range(WARM):
            once(client, task_id, upload)
        before, files = used(lone), left(lone, tmp_path)
        for _ in range(ROUNDS - WARM):
            once(client, task_id, upload)
        after = used(lone)
    grown = {
        name: (after[name][0] - memory, after[name][1] - opened)
        for name, (memory, opened) in before.items()
    }
    told = {name: f"{memory / MIB:+.1f} MiB, {fds:+d}" for name, (memory, fds) in grown.items()}
    print(told)  # noqa: T201 - `pytest -s` shows the figures
    assert all(memory < GROWTH_BYTES for memory, _ in grown.values()), told
    assert all(opened <= GROWTH_FILES for _, opened in grown.values()), told
    assert left(lone, tmp_path) <= files
