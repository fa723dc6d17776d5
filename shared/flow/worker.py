"""One service's Celery worker: `python -m shared.flow.worker <service>`."""

from __future__ import annotations

import os
import sys
import tomllib
from importlib import import_module
from importlib.resources import files

from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from shared import log, wiring
from shared.bus.pool_watch import PoolWatch
from shared.errors import BadInput
from shared.flow.consumer import event_consumer
from shared.flow.execution import register
from shared.flow.pulse import pulse
from shared.flow.work import TaskSpec
from shared.pipelines import atlas
from shared.platform import Platform
from shared.process import die_with
from shared.settings import Settings
from shared.telemetry import tracing
from shared.telemetry.process import watch

YIELDS = 5
"""By so much whoever answers people goes before, on a machine that does both."""


def load_tasks(platform: Platform, service: str) -> dict[str, TaskSpec]:
    """Register every task that `services/<service>/tasks.py` declares; returns them by name."""
    module = import_module(f"services.{service}.tasks")
    specs = {s.name: s for s in vars(module).values() if isinstance(s, TaskSpec)}
    for spec in specs.values():
        register(platform.celery, service, spec, platform)
    return specs


def prepare(platform: Platform, service: str) -> Celery:
    """The worker's app, with its tasks and its event consumer."""
    if service not in atlas.services():
        raise BadInput(f"No service {service!r}; there are: {', '.join(atlas.services())}.")
    load_tasks(platform, service)
    queue = wiring.kombu_queue(wiring.events_of(service))
    platform.celery.conf.worker_consumer = "shared.flow.task_consumer:TaskConsumer"
    platform.celery.steps["consumer"].add(event_consumer(platform, service, queue))
    platform.celery.steps["consumer"].add(pulse(platform.settings.heartbeat))
    platform.celery.steps["worker"].add(PoolWatch)
    worker = os.getpid()

    def begin_child(**_: object) -> None:
        platform.engine.dispose(close=False)  # the parent's connections are not ours to use
        die_with(worker)

    worker_process_init.connect(begin_child, weak=False)
    worker_process_shutdown.connect(lambda **_: tracing.flush(), weak=False)
    return platform.celery


def usual_processes(service: str) -> int:
    """Of its pool, as its own `deployment.toml` says; one where there is none, or no word of it."""
    about = files(f"services.{service}") / "deployment.toml"
    data = tomllib.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    return int(data.get("processes", 1))


def main(service: str) -> None:
    """Run the worker until it is told to stop."""
    os.nice(YIELDS)
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service=service)
    watch(settings, service, forks=True)
    app = prepare(wiring.build(settings, service), service)
    concurrency = settings.worker.concurrency.get(service) or usual_processes(service)
    app.worker_main(
        [
            "worker",
            f"--hostname={service}@%h",
            f"--concurrency={concurrency}",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
            "--task-events" if settings.worker.task_events else "--without-heartbeat",
            "--pool=prefork",
            "--optimization=fair",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1])
