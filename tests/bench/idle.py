"""What a mesh costs while it has nothing to do: `python -m tests.bench.idle`.

Processor time (user and system) of every process of the mesh, its pool children and Triton's model
processes included, not wall time: the figure is the same on a busy machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from deploy.local import triton
from deploy.local.mesh import Mesh
from shared.settings import Settings

AIM = 0.05  # of one core


def measure(mesh: Mesh, settle_s: float = 20.0, seconds: float = 20.0) -> dict[str, float]:
    """Share of one core by program, and `total`; prints it as a table.

    `launcher` is the process that holds `mesh`, so it should do nothing else meanwhile.
    """
    time.sleep(settle_s)
    before, begun = _spent(mesh), time.monotonic()
    time.sleep(seconds)
    after, lasted = _spent(mesh), time.monotonic() - begun
    shares = {name: (after[name] - before.get(name, 0.0)) / lasted for name in after}
    shares["total"] = sum(shares.values())
    _print(shares, seconds)
    return shares


def _spent(mesh: Mesh) -> dict[str, float]:
    """Processor seconds by program so far, those of its children included."""
    living = {p.name: p.process.pid for p in mesh.supervisor.programs if p.process and p.runs}
    spent = {}
    for name, pid in living.items():
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            label = name if process == parent else f"{name} children"
            spent[label] = spent.get(label, 0.0) + sum(process.cpu_times()[:4])
    spent["launcher"] = sum(psutil.Process().cpu_times()[:2])
    return spent


def _print(shares: dict[str, float], seconds: float) -> None:
    table = Table(title=f"idle for {seconds:.0f} s; aim {AIM:.0%} of one core in all")
    table.add_column("process")
    table.add_column("of one core", justify="right")
    for name, share in sorted(shares.items(), key=lambda item: (item[0] == "total", -item[1])):
        table.add_row(name, f"{share:.2%}")
    Console().print(table)


def main() -> int:
    """Start a mesh in a temporary folder and measure it; 1 when it costs more than the aim."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ACTVERSE_DATA_DIR"] = str(Path(folder) / "data")
        os.environ["ACTVERSE_MODEL__REPOSITORY"] = str(Path(folder) / "triton_models")
        with Mesh(Settings(), port=triton.free_ports(1)[0]) as mesh:
            shares = measure(mesh)
    return 0 if shares["total"] < AIM else 1


if __name__ == "__main__":
    sys.exit(main())
