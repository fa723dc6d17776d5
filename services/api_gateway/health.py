"""How the machine, the queues and the servers behind the mesh are."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from services.api_gateway.schemas import HealthView, QueueView
from shared.bus.port import QueueLoad
from shared.flow import parking, state_figures
from shared.platform import Platform
from shared.redaction import without_secrets


def prime() -> None:
    """Start measuring the processor: each later look tells the mean since the one before."""
    psutil.cpu_percent(interval=None)


def health(platform: Platform) -> HealthView:
    """Measure now; every dependency is really asked."""
    loads: list[QueueLoad] = []
    parked: dict[str, int] = {}
    dependencies = {
        "database": _ask(lambda: parked.update(_parked(platform))),
        "broker": _ask(lambda: loads.extend(platform.broker.loads())),
        "storage": _ask(lambda: platform.storage.exists("health/none")),
        "model_server": _ask(lambda: platform.model_server().alive()),
    }
    if platform.settings.cache:
        dependencies["cache"] = _ask(lambda: state_figures.ask_cache(platform.settings))
    queues = {
        load.name: QueueView(
            name=load.name,
            running=load.running,
            pending=load.pending,
            parked=parked.get(load.name, 0),
            oldest_s=None if load.oldest_s is None else round(load.oldest_s, 1),
        )
        for load in loads
    }
    return HealthView(
        status="ok" if set(dependencies.values()) == {"ok"} else "degraded",
        cpu_percent=psutil.cpu_percent(interval=None),
        memory_percent=psutil.virtual_memory().percent,
        disk_percent=psutil.disk_usage(str(platform.settings.data_dir)).percent,
        queues=queues,
        dependencies=dependencies,
    )


def can_serve(platform: Platform) -> bool:
    """Whether the database answers: tasks are accepted, and told about, with it alone."""
    return _ask(lambda: _parked(platform)) == "ok"


def _parked(platform: Platform) -> dict[str, int]:
    """Messages that wait for a decision, by queue."""
    with platform.reads() as session:
        return parking.by_queue(session)


def _ask(question: Callable[[], object]) -> str:
    try:
        question()
    except Exception as error:  # noqa: BLE001 - the answer is the report
        return without_secrets(f"{type(error).__name__}: {error}")
    return "ok"
