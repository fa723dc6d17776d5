"""Where the benches of the gateway run: the embedded mesh, and production's servers, private ones."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from deploy.local.triton import free_ports
from shared import wiring
from shared.admission.callers import first_key
from shared.db import migrate
from shared.settings import Settings
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0  # the machine may be loaded
UNLIMITED = {
    "gateway__requests_per_minute": "1000000000",
    "gateway__max_queue_depth": "1000000000",
    "gateway__streams_per_user": "0",
}
"""The limits are counted, and never reached."""


@dataclass(frozen=True)
class World:
    """A set of servers, by the settings that name them; `bare` is an empty database of their kind."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    bare: str = ""


@contextmanager
def servers(folder: Path) -> Iterator[Callable[[], dict[str, str]]]:
    """PostgreSQL, which keeps what it has promised, RabbitMQ and Redis.

    Each call gives the settings of an empty place in all three.
    """
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres", durable=True))
        rabbitmq = stack.enter_context(RabbitMQ(folder / "rabbitmq"))
        redis = stack.enter_context(Redis(folder / "redis"))
        numbers = itertools.count(1)
        yield lambda: {
            "database": postgres.fresh(),
            "broker": rabbitmq.fresh(),
            "cache": redis.database(next(numbers)),
        }


@contextmanager
def worlds(folder: Path) -> Iterator[list[World]]:
    """SQLite and the broker's file; PostgreSQL, RabbitMQ and Redis."""
    with servers(folder) as fresh:
        yield [
            World("SQLite", {}, f"sqlite:///{folder / 'bare.db'}"),
            World("PostgreSQL", fresh(), fresh()["database"]),
        ]


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its port, the admin's key, its process."""

    port: int
    key: str
    process: psutil.Process
    settings: Settings


@contextmanager
def gateway(
    folder: Path, world: World, *, services: Sequence[str] = ("api_gateway",), **more: str
) -> Iterator[Gateway]:
    """The gateway with routes of `services`, and the clock that relays its events; no workers."""
    (port,) = free_ports(1)
    told = {**world.settings, **UNLIMITED, **more, "gateway__port": str(port)}
    env = {f"ACTVERSE_{name.upper()}": value for name, value in told.items()}
    env["ACTVERSE_DATA_DIR"] = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(data_dir=folder, **world.settings)  # type: ignore[arg-type]
    platform = wiring.build(settings)
    migrate.upgrade(platform.engine)
    platform.broker.apply()
    key = first_key(platform)
    platform.engine.dispose()
    serve = ["-m", "shared.web.serve", *services]
    with (
        running(["-m", "shared.flow.clock"], env, folder / "clock.log"),
        running(serve, env, folder / "gateway.log", port) as process,
    ):
        yield Gateway(port, key, process, settings)


@contextmanager
def running(
    argv: list[str],
    env: dict[str, str],
    log: Path,
    port: int | None = None,
    python: Path = Path(sys.executable),
    project: Path = ROOT,
) -> Iterator[psutil.Process]:
    """A Python process, until the end of the block; waited for until it serves HTTP on `port`."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(python), *argv], cwd=project, env={**os.environ, **env}, stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while port is not None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/docs", timeout=5)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text(errors="replace")[-2000:]) from None
                time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
