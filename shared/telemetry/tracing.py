"""Traces: from a REST call through the outbox and the broker into every work of every step.

The context travels as W3C `traceparent`: in the body of an event, and so in the outbox, and in the
headers of Celery messages. Until `begin` is called with an endpoint nothing of OpenTelemetry is
imported, and `span` is one look at a variable.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from shared.redaction import without_secrets

EXPORT_EVERY_MS = 1000
EXPORT_WITHIN_S = 5
FLUSH_WITHIN_MS = 2000
CARRIER = "traceparent"  # its name in headers, as W3C Trace Context has it
_NOTHING: AbstractContextManager[None] = nullcontext()


class _Tracing:
    """What this process sends its spans with; a forked child makes its own on first use.

    A thread sends them, and threads do not survive a fork.
    """

    def __init__(self, endpoint: str, service: str, sampled: float) -> None:
        self._endpoint = endpoint
        self.service = service
        self._sampled = sampled
        self._lock = threading.Lock()
        self._pid = 0
        self._provider: Any = None
        self._tracer: Any = None

    @property
    def tracer(self) -> Any:
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._open()
        return self._tracer

    def _open(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        about = {"service.name": self.service, "service.namespace": "actverse"}
        provider = TracerProvider(
            resource=Resource.create(about),
            sampler=ParentBased(TraceIdRatioBased(self._sampled)),
            shutdown_on_exit=False,  # it would wait long for a collector that is away
        )
        url = f"{self._endpoint.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_WITHIN_S)
        provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_MS)
        )
        self._provider, self._tracer = provider, provider.get_tracer("actverse")
        self._pid = os.getpid()

    def flush(self) -> None:
        if self._pid == os.getpid():
            self._provider.force_flush(FLUSH_WITHIN_MS)


_tracing: _Tracing | None = None


def begin(endpoint: str, service: str, sampled: float = 1.0) -> None:
    """Trace from now on, to the OTLP/HTTP collector at `endpoint`; nothing happens without one."""
    global _tracing  # noqa: PLW0603 - one a process is the point
    _tracing = _Tracing(endpoint, service, sampled) if endpoint else None


def on() -> bool:
    """Whether this process traces."""
    return _tracing is not None


def flush() -> None:
    """Send what is still here, waiting two seconds at most; for processes that end."""
    if _tracing is not None:
        _tracing.flush()


def span(
    name: str, kind: str = "internal", parent: str | None = None, **attributes: str | float | None
) -> AbstractContextManager[Any]:
    """A span while the block runs, below `parent` (a traceparent) or what runs already.

    `kind` is OpenTelemetry's: internal, server, producer or consumer. An exception that leaves the
    block marks it as failed. Yields the span, or None when nothing is traced.
    """
    if _tracing is None:
        return _NOTHING
    return _span(_tracing, name, kind, parent, attributes)


@contextmanager
def _span(
    tracing: _Tracing, name: str, kind: str, parent: str | None, attributes: Mapping[str, Any]
) -> Iterator[Any]:
    from opentelemetry.trace import SpanKind, Status, StatusCode

    told = {_named(key): value for key, value in attributes.items() if value is not None}
    with tracing.tracer.start_as_current_span(
        name,
        context=_context(parent),
        kind=SpanKind[kind.upper()],
        attributes={"service": tracing.service, **told},
        record_exception=False,  # its words may hold secrets
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            said = without_secrets(f"{type(error).__name__}: {error}")
            current.set_status(Status(StatusCode.ERROR, said))
            raise


def _named(key: str) -> str:
    """`http_route` as OpenTelemetry writes it; our own names stay."""
    return key.replace("_", ".") if key.startswith(("http_", "messaging_", "url_")) else key


def _context(parent: str | None) -> Any:
    """The remote context of a traceparent; None, the present one, for none or a broken one."""
    if not parent:
        return None
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({CARRIER: parent})
    return context if get_current_span(context).get_span_context().is_valid else None


def traceparent() -> str | None:
    """The present span as W3C writes it, for whoever goes on elsewhere; None when there is none."""
    if _tracing is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(CARRIER)


def carried() -> dict[str, dict[str, str]]:
    """The `headers` of a Celery signature that goes on with the present trace; {} for none."""
    parent = traceparent()
    return {"headers": {CARRIER: parent}} if parent else {}


def note(**attributes: str | float) -> None:
    """Tell more about the present span."""
    if _tracing is None:
        return
    from opentelemetry.trace import get_current_span

    for key, value in attributes.items():
        get_current_span().set_attribute(_named(key), value)
