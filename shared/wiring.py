"""The composition root: URLs become adapters here, and nowhere else.

Adapters are imported when their scheme is asked for, so a machine without boto3 or tritonclient
runs what does not need them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import Exchange, Queue, binding
from sqlalchemy.orm import Session, sessionmaker

from shared.bus.outbox import OutboxBus
from shared.bus.port import Broker
from shared.bus.topology import (
    TASKS,
    QueueSpec,
    Topology,
    event_queue,
    parking,
    task_queue,
)
from shared.db.at_commit import announce
from shared.db.engine import open_engine, readers, writers
from shared.errors import BadInput
from shared.pipelines import atlas
from shared.platform import Platform
from shared.progress.live import Live, NothingLive
from shared.progress.news import DatabaseNews, News
from shared.redaction import without_secrets
from shared.serving.port import ModelServer
from shared.settings import Settings
from shared.storage.port import Storage


def build(settings: Settings, service: str | None = None) -> Platform:
    """The platform of one process; `service` is whose worker it is, None for everything else."""
    engine = open_engine(settings.database_url)
    sessions, reads = writers(engine), readers(engine)
    news, live = _watching(settings, reads)
    announce(engine, news.tell)
    celery = celery_app(settings, service)
    sender = _adapter(_broker_kind(settings).sender)(celery)
    return Platform(
        settings=settings,
        engine=engine,
        sessions=sessions,
        reads=reads,
        bus=OutboxBus(sender, sessions),
        broker=_broker(settings),
        storage=_storage(settings),
        celery=celery,
        news=news,
        live=live,
        model_server=_once(lambda: _model_server(settings)),
    )


def _scheme(url: str, known: dict[str, Any], what: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in known:
        shown = without_secrets(url)
        raise BadInput(f"{what} {shown!r}: scheme {scheme!r} is not one of {', '.join(known)}.")
    return scheme


def _adapter(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)


def _once(make: Callable[[], ModelServer]) -> Callable[[], ModelServer]:
    return cache(make)


# --- the broker, and the Celery app that speaks to it ------------------------------------------


def topology(settings: Settings) -> Topology:
    """Every queue of the mesh: the dead first, or the others would have nowhere to put theirs."""
    redeliveries = settings.worker.deliveries - 1
    queues = [parking()]
    for service in atlas.services():
        queues.append(task_queue(service, redeliveries))
        queues.append(events_of(service))
    return Topology(tuple(queues))


def events_of(service: str) -> QueueSpec:
    """The queue with the events that `service` takes, bound by their names as the map says."""
    return event_queue(service, atlas.consumed_by(service))


def celery_app(settings: Settings, service: str | None) -> Celery:
    """The Celery app of a process; a worker's app consumes its service's queue only."""
    redeliveries = settings.worker.deliveries - 1
    specs = [task_queue(s, redeliveries) for s in ((service,) if service else atlas.services())]
    own = specs[0].name
    kind = _broker_kind(settings)
    app = Celery(service or "actverse", set_as_current=False, task_cls=kind.task)
    app.conf.update(
        task_queues=[kombu_queue(spec) for spec in specs],
        task_default_queue=own,
        task_default_exchange=TASKS,
        task_default_exchange_type="topic",
        task_default_routing_key=own,
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
        **kind.celery(settings),
    )
    return app


def kombu_queue(spec: QueueSpec) -> Queue:
    """A queue of the topology as kombu, and so a worker, knows it."""
    exchange = Exchange(spec.exchange, type="topic", durable=True)
    return Queue(
        spec.name,
        exchange if len(spec.keys) == 1 else None,
        routing_key=spec.keys[0] if len(spec.keys) == 1 else "",
        bindings=[binding(exchange, routing_key=key) for key in spec.keys],
        durable=True,
        queue_arguments=dict(spec.arguments),
    )


def _sqlite_celery(settings: Settings) -> dict[str, Any]:
    _adapter("shared.bus.sqlite_transport:register")()
    return {"broker_url": settings.broker_url, "result_backend": settings.broker_url}


def _rabbitmq_celery(settings: Settings) -> dict[str, Any]:
    if urlsplit(settings.cache).scheme not in {"redis", "rediss"}:
        raise BadInput(
            "With RabbitMQ, Celery keeps the results of parallel work in Redis: "
            "set ACTVERSE_CACHE=redis://host:6379/0."
        )
    _adapter("shared.bus.redis_results:register")()
    return {
        "broker_url": settings.broker_url,
        "result_backend": f"actverse-redis+{settings.cache}",
        "task_default_queue_type": "quorum",
        "worker_detect_quorum_queues": True,
        "broker_transport_options": {"confirm_publish": True},
        "broker_connection_timeout": 4.0,
        "broker_heartbeat": 10,
        "task_publish_retry_policy": {
            "max_retries": 100,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 1.0,
        },
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Redis costs freshness, never a task: who cannot reach it goes on soon (`flow.reviver`)
        "redis_socket_connect_timeout": 1.0,
        "redis_socket_timeout": 3.0,
        "result_backend_transport_options": {
            "retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.1}
        },
    }


@dataclass(frozen=True)
class _BrokerKind:
    celery: Callable[[Settings], dict[str, Any]]
    sender: str
    operator: str
    task: str = "celery:Task"


_FILE = _BrokerKind(
    _sqlite_celery,
    "shared.bus.kombu_sender:KombuSender",
    "shared.bus.sqlite_broker_file:BrokerFile",
)
_RABBITMQ = _BrokerKind(
    _rabbitmq_celery,
    "shared.bus.rabbitmq_sender:RabbitSender",
    "shared.bus.rabbitmq_broker:RabbitBroker",
    "shared.bus.rabbitmq_task:WholeSecondsTask",
)
_BROKERS = {"actverse+sqlite": _FILE, "amqp": _RABBITMQ, "amqps": _RABBITMQ}


def _broker_kind(settings: Settings) -> _BrokerKind:
    return _BROKERS[_scheme(settings.broker_url, _BROKERS, "Broker")]


def _broker(settings: Settings) -> Broker:
    adapter = _adapter(_broker_kind(settings).operator)
    broker: Broker = adapter(settings.broker_url, topology(settings))
    return broker


# --- who watches ---------------------------------------------------------------------------------


_REDIS = {"redis": "shared.progress.redis_", "rediss": "shared.progress.redis_"}


def _watching(settings: Settings, reads: sessionmaker[Session]) -> tuple[News, Live]:
    """How a process hears that there is news of a task, and where it puts what is not stored."""
    if not settings.cache:
        return DatabaseNews(reads), NothingLive()
    family = _REDIS[_scheme(settings.cache, _REDIS, "Cache")]
    news: News = _adapter(f"{family}news:RedisNews")(settings.cache, reads)
    live: Live = _adapter(f"{family}live:RedisLive")(settings.cache)
    return news, live


# --- files and models --------------------------------------------------------------------------


def _storage(settings: Settings) -> Storage:
    url = settings.storage_url
    known = {
        "file": "shared.storage.files:FileStorage",
        "s3": "shared.storage.s3:S3Storage",
    }
    adapter = _adapter(known[_scheme(url, known, "Storage")])
    storage: Storage = adapter.from_settings(settings)
    return storage


def _model_server(settings: Settings) -> ModelServer:
    url = settings.model_server
    known = {
        "triton": "shared.serving.triton_server:TritonModelServer",
        "openvino": "shared.serving.openvino_server:OpenVinoServer",
    }
    adapter = _adapter(known[_scheme(url, known, "Model server")])
    server: ModelServer = adapter.from_settings(settings)
    return server
