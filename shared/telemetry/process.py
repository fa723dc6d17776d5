"""How a process of the mesh begins to be watched."""

from __future__ import annotations

from shared.settings import Settings
from shared.telemetry import exporter, tracing
from shared.telemetry.exporter import Exporter, Read


def watch(
    settings: Settings, service: str, *, forks: bool = False, read: Read | None = None
) -> Exporter | None:
    """Trace and count from now on, as far as the settings want it.

    `forks`: the process has a pool of children. `read` gives the figures of the whole mesh, which
    one process tells for all.
    """
    tracing.begin(settings.telemetry.otlp_endpoint, service, settings.telemetry.sampled)
    return exporter.begin(
        port=settings.metrics.port,
        host=settings.metrics.host,
        folder=settings.metrics.folder,
        forks=forks,
        read=read,
    )
