"""The processes of the small mesh, on either wiring, as the launcher of the product keeps them."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from deploy.local.supervisor import Program, Supervisor
from shared import wiring
from shared.admission.callers import first_key
from shared.db import migrate
from shared.pipelines import atlas
from shared.platform import Platform
from shared.settings import Settings
from tests.faults import shifted_clock, small_service
from tests.faults.proxy import Proxy
from tests.servers.ports import HOST, free_port
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
WORKERS = (small_service.MAKE, small_service.SEAL)


class Servers:
    """RabbitMQ, PostgreSQL and Redis of one storm, each behind a proxy."""

    def __init__(self, folder: Path) -> None:
        self.rabbitmq = RabbitMQ(folder / "rabbitmq")
        self.postgres = Postgres(folder / "postgres", durable=True)
        self.redis = Redis(folder / "redis")
        self.all = {"rabbitmq": self.rabbitmq, "postgres": self.postgres, "redis": self.redis}
        self.proxies: dict[str, Proxy] = {}

    def start(self) -> Self:
        for server in self.all.values():
            server.begin()
        for name, server in self.all.items():
            server.wait()
            self.proxies[name] = Proxy(server.port)
        return self

    def urls(self, *, through_proxies: bool) -> dict[str, str]:
        """The settings that name the servers."""
        urls = {
            "rabbitmq": self.rabbitmq.vhost("v1"),
            "postgres": self.postgres.url,
            "redis": self.redis.url,
        }
        if through_proxies:
            for name, proxy in self.proxies.items():
                urls[name] = urls[name].replace(f":{proxy.target}/", f":{proxy.port}/")
        return {
            "ACTVERSE_BROKER": urls["rabbitmq"],
            "ACTVERSE_DATABASE": urls["postgres"],
            "ACTVERSE_CACHE": urls["redis"],
        }

    def close(self) -> None:
        for proxy in self.proxies.values():
            proxy.close()
        for server in self.all.values():
            server.close()


class SmallMesh:
    """Two workers, beat, clock and gateway; `platform` looks at the same data without a proxy."""

    def __init__(
        self, folder: Path, servers: Servers | None = None, *, stalled_s: float | None = None
    ) -> None:
        self.folder = folder
        self.servers = servers
        self.data = folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.offset = folder / "clock_offset"
        direct = servers.urls(through_proxies=False) if servers else {}
        self.settings = _settings(self.data, direct)
        self.platform: Platform = wiring.build(self.settings)
        migrate.upgrade(self.platform.engine)
        self.platform.broker.apply()
        self.key = first_key(self.platform)
        self._env = {
            "ACTVERSE_DATA_DIR": str(self.data),
            "ACTVERSE_GATEWAY__PORT": str(self.port),
            "ACTVERSE_GATEWAY__REQUESTS_PER_MINUTE": "0",
            "ACTVERSE_WORKER__CONCURRENCY": f'{{"{small_service.MAKE}": 3, "{small_service.SEAL}": 2}}',
            "ACTVERSE_METRICS__PORT": "0",
            "PYTHONPATH": str(ROOT),
            **(servers.urls(through_proxies=True) if servers else {}),
            **({small_service.STALLED: str(stalled_s)} if stalled_s else {}),
        }
        self.supervisor = Supervisor(ROOT, folder / "logs", lambda _: None)

    def start(self) -> Self:
        programs: dict[str, Sequence[str]] = {
            "gateway": ["gateway"],
            **{service: ["worker", service] for service in WORKERS},
            "beat": ["beat"],
            "clock": ["clock"],
        }
        shifts = {shifted_clock.VARIABLE: str(self.offset)}
        for name, arguments in programs.items():
            ends_by = signal.SIGQUIT if name in WORKERS else signal.SIGTERM
            self.supervisor.add(
                name,
                ["tests.faults.program", *arguments],
                {**self._env, **(shifts if name in {"clock", small_service.MAKE} else {})},
                ends_by=ends_by,
            )
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """The gateway answers and the workers have taken a tick."""
        deadline = time.monotonic() + READY_S
        while not (self._answers() and (self.data / "tick").exists()):
            assert time.monotonic() < deadline, self.tail()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            # nobody serves models here, so the mesh is never wholly ready
            return httpx.get(f"{self.url}/openapi.json", timeout=5).status_code == 200
        return False

    def program(self, name: str) -> Program:
        return next(p for p in self.supervisor.programs if p.name == name)

    def pid(self, name: str) -> int:
        """The process of a program; waits while the launcher starts it again."""
        program, deadline = self.program(name), time.monotonic() + READY_S
        while not program.runs:
            assert time.monotonic() < deadline, f"{name} does not come back: {self.tail(name)}"
            time.sleep(0.02)
        assert program.process
        return program.process.pid

    def kill(self, name: str) -> None:
        """`kill -9`; the launcher starts it again."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), signal.SIGKILL)

    def kill_child(self, name: str, chance: random.Random) -> None:
        """`kill -9` of a process of a worker's pool."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process(self.pid(name)).children()
                if children:
                    chance.choice(children).kill()
                    return
            time.sleep(0.02)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """The program stands still, its children go on."""
        process = psutil.Process(self.pid(name))
        process.suspend()
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def shift_clock(self, offset_s: float) -> None:
        """Let the clocks of the clock process and of a worker jump."""
        scratch = self.offset.with_suffix(".new")
        scratch.write_text(str(offset_s))
        scratch.replace(self.offset)

    def tail(self, name: str | None = None, size: int = 3000) -> str:
        """The ends of the logs."""
        names = [name] if name else [p.name for p in self.supervisor.programs]
        files = [self.folder / "logs" / f"{each}.log" for each in names]
        return "\n".join(f"--- {f.name}\n{f.read_text()[-size:]}" for f in files if f.exists())

    def stop(self) -> None:
        """At once: what it stored has been counted, and how a mesh ends in order is another test."""
        for each in self.supervisor.programs:
            each.ends_by = signal.SIGKILL
        self.supervisor.stop()
        self.platform.engine.dispose()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _settings(data: Path, urls: dict[str, str]) -> Settings:
    given: dict[str, Any] = {
        name.removeprefix("ACTVERSE_").lower(): url for name, url in urls.items()
    }
    return Settings(data_dir=data, **given)


@contextmanager
def small_atlas() -> Iterator[None]:
    """The pipelines of this process are those of the small mesh, for a while."""
    pipelines, reactions = dict(atlas.PIPELINES), atlas.REACTIONS
    small_service.install()
    try:
        yield
    finally:
        atlas.PIPELINES.clear()
        atlas.PIPELINES.update(pipelines)
        atlas.REACTIONS = reactions
