"""Workers as real processes over a broker file, for the tests of this folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from celery import Celery

from shared.bus.port import ParkedMessage
from shared.bus.sqlite_broker_file import BrokerFile, _message
from shared.bus.sqlite_transport import register
from tests.shared.bus import sqlite_app

ROOT = Path(__file__).parents[3]


def until(true: Callable[[], object], seconds: float = 15.0, every_s: float = 0.01) -> object:
    """Wait until `true()` is; fail when it never becomes so."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(every_s)
    return value


def parked_in(broker: BrokerFile, queue: str | None = None) -> list[ParkedMessage]:
    """What was put aside and not yet taken."""
    rows = broker._database.rows("SELECT * FROM parked ORDER BY id")
    return [_message(dict(row)) for row in rows if queue in {None, row["queue"]}]


class Mesh:
    """A broker file, a client of it, and workers that are killed when the test ends."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "broker.db"
        self.url = f"actverse+sqlite:///{self.file}"
        self.log = folder / "log"
        self.log.touch()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.broker = BrokerFile(self.url)
        register()
        self.app = Celery("client", set_as_current=False)
        self.app.conf.update(sqlite_app.settings(self.url, "ours"))

    def start(
        self, service: str = "ours", concurrency: int = 1, *more: str
    ) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it consumes."""
        before = self.listening(service)
        environment = os.environ | {
            "BROKER_UNDER_TEST": self.url,
            "LOG_UNDER_TEST": str(self.log),
            "SERVICE_UNDER_TEST": service,
            "OMP_NUM_THREADS": "1",
        }
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tests.shared.bus.sqlite_app", "worker"),
                *(
                    "-c",
                    str(concurrency),
                    "-l",
                    "INFO",
                    "-n",
                    f"{service}-{len(self.workers)}@here",
                ),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                *more,
            ],
            cwd=ROOT,
            env=environment,
            stdout=(self.log.parent / "workers.txt").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.workers.append(worker)
        until(lambda: self.listening(service) > before, 40, 0.05)
        return worker

    def listening(self, service: str) -> int:
        return self.broker._store.routing.listeners(service)

    def send(self, task: str, *args: object, **options: object):
        return self.app.send_task(f"t.{task}", args, **options)

    def event(self, body: dict[str, object], key: str = "media.video.requested") -> None:
        with self.app.producer_or_acquire() as producer:
            producer.publish(
                body, exchange=sqlite_app.EVENTS, routing_key=key, serializer="json", mandatory=True
            )

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def said(self, start: str) -> list[str]:
        return [line for line in self.lines() if line.startswith(start)]

    def stop(self, worker: subprocess.Popen[bytes], how: int = signal.SIGKILL) -> None:
        """Kill the worker and its pool at once, or end it in order with SIGTERM."""
        if worker.poll() is None:
            if how == signal.SIGKILL:
                os.killpg(worker.pid, how)
            else:
                worker.send_signal(how)
            worker.wait(20)

    def close(self) -> None:
        self.app.close()
        for worker in self.workers:
            self.stop(worker)
