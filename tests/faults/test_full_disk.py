"""The disk that holds everything of the embedded mesh is full for a while."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.faults import Fault
from tests.faults.mesh import SmallMesh, small_atlas
from tests.faults.report import table
from tests.faults.storm import storm

DISK_MB = 48
FULL_S = 6.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with a disk of its own."""
    folder = tmp_path / "mesh"
    disk = folder / "data"
    disk.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    size = f"size={DISK_MB}m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(mesh: SmallMesh, chance: random.Random) -> None:
    """Take every byte again and again, because some are given back meanwhile."""
    fillers = []
    deadline = time.monotonic() + FULL_S
    while time.monotonic() < deadline:
        fillers.append(mesh.data / f"filler{len(fillers)}")
        with fillers[-1].open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        time.sleep(0.1)
    for filler in fillers:
        filler.unlink()


@pytest.mark.slow
def test_a_full_disk_delays_and_loses_nothing(small_disk: Path) -> None:
    full = Fault("disk full", _fill)
    with small_atlas(), SmallMesh(small_disk) as mesh:
        report = storm(mesh, [full, full], tasks=60, seed=5, longest_s=150)
    counts = report.counts
    assert counts.succeeded + counts.failed.total() == counts.accepted == 60
    assert set(counts.failed) <= {"Terminal", "Parked", "OutOfSpace"}
    assert counts.second_outcomes == 0
    assert counts.left_over == [], table([("embedded", report)])
