"""What tells how the mesh does: news, figures, traces, and the page of the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field


class NotifySettings(BaseModel):
    """Where news go when a user has no addresses of his own."""

    urls: list[str] = Field(default_factory=list)
    """Apprise URLs: `mailto://`, `slack://`, `json://` ...; empty = only the log."""
    timeout_s: float = 10.0
    """Longest time one message or one call of a webhook may take, seconds."""
    poll_s: float = 5.0
    """Time between two looks for messages that are due for another try, seconds."""


class MetricsSettings(BaseModel):
    """Figures for Prometheus."""

    host: str = "127.0.0.1"
    """Address on which each process serves its figures; they need no key there."""
    port: int = 0
    """TCP port of it; 0 = not served. Containers use 9100."""
    folder: Path | None = None
    """Where the processes of one machine add up, for one of them to serve all; the launcher sets it."""
    token: str = ""
    """What may fetch the gateway's `GET /metrics` besides an admin's key; empty = nothing else."""


class TelemetrySettings(BaseModel):
    """Traces for OpenTelemetry."""

    otlp_endpoint: str = ""
    """Collector that takes OTLP over HTTP, such as `http://collector:4318`; empty = no traces."""
    sampled: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """Share of the traces that are kept, 0..1; what a caller has sampled already stays so."""


class FlowerSettings(BaseModel):
    """The look into the Celery workers."""

    host: str = "127.0.0.1"
    """Address that Flower listens on."""
    port: int = 5555
    """TCP port of Flower; the launcher starts it with `make up FLOWER=1`."""
    user: str = "actverse"
    """Name to log in with."""
    password: str = ""
    """Password to log in with; without one Flower does not start."""
    broker_api: str = ""
    """URL of RabbitMQ's management interface with name and password, for the page of queues."""
