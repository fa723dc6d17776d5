"""The composition root: URLs become adapters here, and nowhere else.

Adapters are imported when their scheme is asked for, so a machine without boto3 or tritonclient
runs what does not need them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import Exchange, Queue, binding

from shared.bus.outbox import EVENTS, OutboxBus
from shared.bus.port import Broker
from shared.db.engine import open_engine, readers, writers
from shared.errors import BadInput
from shared.pipelines import atlas
from shared.platform import Platform
from shared.serving.port import ModelServer
from shared.settings import Settings
from shared.storage.port import Storage

TASKS = Exchange("actverse.tasks", type="topic", durable=True)


def build(settings: Settings, service: str | None = None) -> Platform:
    """The platform of one process; `service` is whose worker it is, None for everything else."""
    engine = open_engine(settings.database_url)
    sessions = writers(engine)
    celery = celery_app(settings, service)
    return Platform(
        settings=settings,
        engine=engine,
        sessions=sessions,
        reads=readers(engine),
        bus=OutboxBus(celery, sessions),
        broker=_broker(settings),
        storage=_storage(settings),
        celery=celery,
        model_server=_once(lambda: _model_server(settings)),
    )


def _scheme(url: str, known: dict[str, Any], what: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in known:
        raise BadInput(f"{what} {url!r}: scheme {scheme!r} is not one of {', '.join(known)}.")
    return scheme


def _adapter(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)


def _once(make: Callable[[], ModelServer]) -> Callable[[], ModelServer]:
    return cache(make)


# --- the broker, and the Celery app that speaks to it ------------------------------------------


def celery_app(settings: Settings, service: str | None) -> Celery:
    """The Celery app of a process; a worker's app consumes its service's queue only."""
    url = settings.broker_url
    schemes: dict[str, Callable[[str], dict[str, Any]]] = {"actverse+sqlite": _sqlite_broker}
    specific = schemes[_scheme(url, schemes, "Broker")](url)
    consumed = (service,) if service else atlas.services()
    arguments = {"x-delivery-limit": settings.worker.deliveries - 1}
    app = Celery(service or "actverse", set_as_current=False)
    app.conf.update(
        task_queues=[Queue(s, TASKS, routing_key=s, queue_arguments=arguments) for s in consumed],
        task_default_queue=service or atlas.services()[0],
        task_default_exchange=TASKS.name,
        task_default_exchange_type="topic",
        task_default_routing_key=service or atlas.services()[0],
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_allow_error_cb_on_chord_header=True,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        result_expires=24 * 3600,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        enable_utc=True,
        timezone="UTC",
        **specific,
    )
    return app


def event_queue(settings: Settings, service: str) -> Queue:
    """The queue with the events that `service` takes, bound by their names as the map says."""
    return Queue(
        f"{service}.events",
        bindings=[binding(EVENTS, routing_key=name) for name in atlas.consumed_by(service)],
        queue_arguments={"x-delivery-limit": max(settings.worker.deliveries, 20)},
    )


def declare_topology(platform: Platform) -> None:
    """Make every exchange, queue and binding, so that nothing is sent where nobody listens yet."""
    with platform.celery.connection_for_write() as connection:
        channel = connection.default_channel
        for service in atlas.services():
            event_queue(platform.settings, service)(channel).declare()
        for queue in platform.celery.amqp.queues.values():
            queue(channel).declare()


def _sqlite_broker(url: str) -> dict[str, Any]:
    _adapter("shared.bus.sqlite_transport:register")()
    return {"broker_url": url, "result_backend": url}


def _broker(settings: Settings) -> Broker:
    url = settings.broker_url
    known = {"actverse+sqlite": "shared.bus.sqlite_broker_file:BrokerFile"}
    broker: Broker = _adapter(known[_scheme(url, known, "Broker")])(url)
    return broker


# --- files and models --------------------------------------------------------------------------


def _storage(settings: Settings) -> Storage:
    url = settings.storage_url
    known = {
        "file": "shared.storage.files:FileStorage",
        "s3": "shared.storage.s3:S3Storage",
    }
    adapter = _adapter(known[_scheme(url, known, "Storage")])
    storage: Storage = adapter.from_url(url, work=settings.data_dir)
    return storage


def _model_server(settings: Settings) -> ModelServer:
    url = settings.model_server
    known = {
        "triton": "shared.serving.triton_server:TritonModelServer",
        "onnxruntime": "shared.serving.onnx_server:OnnxRuntimeServer",
    }
    adapter = _adapter(known[_scheme(url, known, "Model server")])
    server: ModelServer = getattr(adapter, "from_url", adapter)(url)
    return server
