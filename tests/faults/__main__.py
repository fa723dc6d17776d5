"""`make faults`: the full storm on both wirings; prints the table and fails when something is lost.

python -m tests.faults [--tasks N] [--seed N] [embedded|servers ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults import faults
from tests.faults.mesh import Servers, SmallMesh, small_atlas
from tests.faults.report import table
from tests.faults.storm import Report, storm

WIRINGS = {"embedded": faults.EMBEDDED, "servers": faults.SERVERS}
NAMES = {"embedded": "embedded", "servers": "RabbitMQ + PostgreSQL + Redis"}
SETTLED_S = 60.0


def run(wiring: str, folder: Path, *, tasks: int, seed: int, longest_s: float = 1200.0) -> Report:
    """One storm on a mesh of its own."""
    servers = Servers(folder / "servers").start() if wiring == "servers" else None
    try:
        with small_atlas(), SmallMesh(folder / "mesh", servers) as mesh:
            return storm(mesh, WIRINGS[wiring], tasks=tasks, seed=seed, longest_s=longest_s)
    finally:
        if servers is not None:
            servers.close()


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("wirings", nargs="*", default=list(WIRINGS), metavar="embedded|servers")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    reports = []
    for wiring in asked.wirings:
        with tempfile.TemporaryDirectory(prefix="actverse-faults-") as folder:
            report = run(wiring, Path(folder), tasks=asked.tasks, seed=asked.seed)
        reports.append((NAMES[wiring], report))
    print(table(reports))  # noqa: T201 - a person asked
    late = [report for _, report in reports if report.settled_s > SETTLED_S]
    return 1 if late or any(report.counts.problems for _, report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
