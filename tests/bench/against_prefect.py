"""The same nine no-op steps on Prefect with its local server (SQLite); optional, as it is large."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.triton import free_ports
from tests.bench import noop_service
from tests.bench.noop import MeshWorker
from tests.bench.noop_service import TASKS
from tests.bench.rows import Effort, Row, interleaved, ratio, spread
from tests.bench.worlds import ROOT, running, servers

PYTHON = ROOT / ".venv-prefect" / "bin" / "python"
GOAL = 10.0
RUNS = 3  # of one side in a round; the median of them counts


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Two rows: against a pipeline of nine steps, and against a step of nine tasks."""
    noop_service.install()
    place = folder / "prefect"
    place.mkdir()
    with (
        servers(place) as fresh,
        MeshWorker(place / "mesh", fresh()) as mesh,
        flows(place) as prefect,
    ):

        def ours(pipeline: str) -> float:
            mesh.pipeline = pipeline
            return statistics.median(mesh.run() for _ in range(RUNS))

        sides = {
            "nine steps": lambda: ours(noop_service.NINE_STEPS.name),
            "one step": lambda: ours(noop_service.ONE_STEP.name),
            "prefect": lambda: statistics.median(prefect() for _ in range(RUNS)),
        }
        for side in sides.values():
            side()
        seconds = interleaved(effort.turns(5), sides, say)
    return [
        _row(f"a step of {TASKS} no-op tasks", seconds["one step"], seconds["prefect"], GOAL),
        _row(f"a pipeline of {TASKS} no-op steps", seconds["nine steps"], seconds["prefect"]),
    ]


def _row(what: str, ours: list[float], prefect: list[float], goal: float | None = None) -> Row:
    measured = ratio(prefect, ours)
    return Row(
        f"{what} on RabbitMQ, PostgreSQL and Redis against a flow of {TASKS} on Prefect",
        "told, no goal" if goal is None else f"at least {goal:.0f}x quicker",
        f"{measured:.1f}x ({spread(prefect, ours)})",
        None if goal is None else measured >= goal,
        f"{statistics.median(ours) * 1000:.0f} ms",
        f"{statistics.median(prefect) * 1000:.0f} ms",
        "Prefect with its local server as it comes (SQLite), in an environment of its own; the flow "
        "runs in the calling process. `deploy/local/setup.sh prefect` installs it.",
    )


@contextmanager
def flows(folder: Path) -> Iterator[Callable[[], float]]:
    """A function that runs the flow once and tells its seconds; Prefect's server runs meanwhile."""
    setup = ROOT / "deploy" / "local" / "setup.sh"
    subprocess.run([str(setup), "prefect"], cwd=ROOT, check=True)
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    env = {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": "",
    }
    server = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (
        running(server, env, folder / "server.log", port, python=PYTHON),
        subprocess.Popen(
            [str(PYTHON), str(ROOT / "tests" / "bench" / "prefect_side.py")],
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "flows.log").open("wb"),
            text=True,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        told = process.stdout

        def run() -> float:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
            for line in told:
                if line.startswith("SECONDS "):
                    return float(line.split()[1])
            raise RuntimeError((folder / "flows.log").read_text(errors="replace")[-2000:])

        yield run
        process.stdin.close()
