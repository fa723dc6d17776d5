"""The gateway under load against a bare endpoint with a single insert, or a single select.

Ours, `POST /tasks/`: the key, rate limit and back-pressure; the request and the pipeline's options
validated; in one transaction a task, its ten steps, its first event and two outbox rows (14 rows in
6 statements); the relay beside it sends what that asks for. Bare: validated, one row, one commit.

Ours, `GET /status/{id}`: the key and the rate limit, one query of a task with its ten steps, all of
them in the answer. Bare: one row by its primary key, three fields in the answer.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import psutil

from deploy.local.triton import free_ports
from shared.db import migrate
from shared.db.engine import open_engine
from tests.bench import load
from tests.bench.load import CONNECTIONS, Pace
from tests.bench.rows import Effort, Row, interleaved, ratio, spread
from tests.bench.worlds import World, gateway, running, worlds

GOAL = 0.7
ROUNDS = 9
REQUESTS = 800
BODY = json.dumps(
    {
        "file_path": "https://example.org/openfield.mp4",
        "options": {"num_frames": 60, "labeler": "folder", "classes": ["mouse"]},
    }
).encode()
POST, GET = "POST /tasks/", "GET /status/{id}"


@dataclass
class Side:
    """One of the two servers, and what it has shown."""

    port: int
    key: str
    process: psutil.Process
    task_id: str = ""
    paces: list[Pace] = field(default_factory=list)
    cpu_s: float = 0.0

    def drive(self, client: ProcessPoolExecutor, what: str, count: int) -> float:
        """Seconds a request, as the client saw it."""
        known = {"content_type": "application/json", "authorization": f"Bearer {self.key}"}
        if what == POST:
            one, status = load.request("POST", "/tasks/", body=BODY, **known), 202
        else:
            one, status = load.request("GET", f"/status/{self.task_id}", **known), 200
        before = sum(self.process.cpu_times()[:2])
        pace = client.submit(load.drive, self.port, [one] * count, status, CONNECTIONS).result()
        self.cpu_s += sum(self.process.cpu_times()[:2]) - before
        self.paces.append(pace)
        self.task_id = json.loads(pace.first)["task_id"]
        return 1 / pace.per_s

    def forget(self) -> None:
        """That was the warming up."""
        self.paces, self.cpu_s = [], 0.0

    def told(self) -> str:
        """Medians over the rounds, and what a request took of a core."""
        per_s, p50, p99 = (
            statistics.median(getattr(pace, name) for pace in self.paces)
            for name in ("per_s", "p50_ms", "p99_ms")
        )
        cpu_ms = self.cpu_s / sum(pace.count for pace in self.paces) * 1000
        return f"{per_s:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {cpu_ms:.2f} ms of a core"


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Two rows a database."""
    place = folder / "gateway"
    place.mkdir()
    with worlds(place) as known, ProcessPoolExecutor(1, get_context("spawn")) as client:
        return [row for world in known for row in _compared(place, world, client, effort, say)]


def _compared(
    place: Path,
    world: World,
    client: ProcessPoolExecutor,
    effort: Effort,
    say: Callable[[str], None],
) -> list[Row]:
    engine = open_engine(world.bare)
    migrate.upgrade(engine)
    engine.dispose()
    (port,) = free_ports(1)
    argv = ["-m", "tests.bench.bare_door", world.bare, str(port)]
    log = place / f"bare_{world.name}.log"
    with gateway(place / world.name, world) as ours, running(argv, {}, log, port) as bare:
        sides = {
            "ours": Side(ours.port, ours.key, ours.process),
            "bare": Side(port, "", bare),
        }
        return [_row(what, world, sides, client, effort, say) for what in (POST, GET)]


def _row(
    what: str,
    world: World,
    sides: dict[str, Side],
    client: ProcessPoolExecutor,
    effort: Effort,
    say: Callable[[str], None],
) -> Row:
    count = effort.of(REQUESTS, 100)
    turns: dict[str, Callable[[], float]] = {
        name: lambda side=side: side.drive(client, what, count)  # type: ignore[misc]
        for name, side in sides.items()
    }
    for name, side in sides.items():
        turns[name]()
        side.forget()
    seconds = interleaved(effort.turns(ROUNDS), turns, say)
    measured = ratio(seconds["bare"], seconds["ours"])
    return Row(
        f"gateway on {world.name}: {what}, {CONNECTIONS} connections",
        f"at least {GOAL}x the requests/s of bare FastAPI + SQLAlchemy",
        f"{measured:.2f}x ({spread(seconds['bare'], seconds['ours'])})",
        measured >= GOAL,
        sides["ours"].told(),
        sides["bare"].told(),
        _remark(what),
    )


def _remark(what: str) -> str:
    if what == POST:
        return (
            "Ours: key, rate limit, back-pressure, validation of the request and of the pipeline's "
            "options, and in one transaction a task, its ten steps, its first event and two outbox "
            "rows; the clock relays beside it. Bare: validation, one row of the same table."
        )
    return (
        "Ours: key, rate limit, a task with its ten steps in one query, all in the answer. Bare: "
        "one row by its primary key, three fields in the answer."
    )
