"""How the machine, the queues and the servers behind the mesh are."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from sqlalchemy import text

from services.api_gateway.schemas import HealthView, QueueView
from shared.platform import Platform


def health(platform: Platform) -> HealthView:
    """Measure now; every dependency is really asked."""
    dependencies = {
        "database": _ask(lambda: _database(platform)),
        "broker": _ask(platform.broker.loads),
        "storage": _ask(lambda: platform.storage.exists("health/none")),
        "model_server": _ask(lambda: platform.model_server().alive()),
    }
    queues = {}
    if dependencies["broker"] == "ok":
        for load in platform.broker.loads():
            queues[load.name] = QueueView(
                name=load.name,
                running=load.running,
                pending=load.pending,
                parked=load.parked,
                oldest_s=round(load.oldest_s, 1),
            )
    return HealthView(
        status="ok" if set(dependencies.values()) == {"ok"} else "degraded",
        cpu_percent=psutil.cpu_percent(interval=None),
        memory_percent=psutil.virtual_memory().percent,
        disk_percent=psutil.disk_usage(str(platform.settings.data_dir)).percent,
        queues=queues,
        dependencies=dependencies,
    )


def _database(platform: Platform) -> None:
    with platform.reads() as session:
        session.execute(text("SELECT 1"))


def _ask(question: Callable[[], object]) -> str:
    try:
        question()
    except Exception as error:  # noqa: BLE001 - the answer is the report
        return f"{type(error).__name__}: {error}"
    return "ok"
