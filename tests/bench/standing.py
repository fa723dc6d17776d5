"""The mesh by itself: how soon it is ready, and what it costs while it has nothing to do.

`python -m tests.bench.standing STARTS SETTLE_S SECONDS` prints the figures as a line of JSON; run as
a process of its own, because the launcher counts as a part of the mesh.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.mesh import Mesh
from deploy.local.triton import free_ports
from shared.settings import Settings
from tests.bench import idle
from tests.bench.rows import Effort, Row

ROOT = Path(__file__).resolve().parents[2]
READY_S = 20.0


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Two rows: `make up` to ready, and the idle mesh."""
    del folder
    starts = effort.rounds or effort.of(3, 1)
    argv = [sys.executable, "-m", "tests.bench.standing", str(starts)]
    argv += [str(effort.of(20, 5)), str(effort.of(20, 10))]
    done = subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    say(f"ready after {told['ready_s']} s; idle {told['idle']['total']:.1%} of a core")
    ready = statistics.median(told["ready_s"])
    shares = told["idle"]
    total = shares.pop("total")
    most = sorted(shares.items(), key=lambda item: -item[1])[:4]
    return [
        Row(
            "`make up` to ready, warm",
            f"under {READY_S:.0f} s",
            f"{ready:.1f} s",
            ready < READY_S,
            ", ".join(f"{seconds:.1f} s" for seconds in told["ready_s"]),
            "-",
            "Empty data folder each time: tables, first key, Triton, every service, the global "
            "model loaded, `/health/ready` says 200.",
        ),
        Row(
            "processor time of the idle mesh",
            f"under {idle.AIM:.0%} of one core",
            f"{total:.1%}",
            total < idle.AIM,
            ", ".join(f"{name} {share:.2%}" for name, share in most),
            "-",
            "User and system time of every process, Triton's included.",
        ),
    ]


def main(starts: int, settle_s: float, seconds: float) -> None:
    """Start a mesh some times, each in an empty folder; measure the last while it is idle."""
    ready: list[float] = []
    for turn in range(starts):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["ACTVERSE_DATA_DIR"] = str(Path(folder) / "data")
            os.environ["ACTVERSE_MODEL__REPOSITORY"] = str(Path(folder) / "triton_models")
            begun = time.perf_counter()
            with Mesh(Settings(), port=free_ports(1)[0], quiet=True) as mesh:
                ready.append(round(time.perf_counter() - begun, 2))
                shares = idle.measure(mesh, settle_s, seconds) if turn == starts - 1 else {}
    print(json.dumps({"ready_s": ready, "idle": shares}))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
