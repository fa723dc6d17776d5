"""Everything a service may hold; built once per process by `shared.wiring`, passed as an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from shared.bus.port import Broker, EventBus
from shared.progress.live import Live
from shared.progress.news import News
from shared.serving.port import ModelServer
from shared.settings import Settings
from shared.storage.port import Storage


@dataclass(frozen=True)
class Platform:
    """The adapters in force, behind their ports."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]  # may write
    reads: sessionmaker[Session]  # never wait for a writer
    bus: EventBus
    broker: Broker
    storage: Storage
    celery: Celery
    news: News
    live: Live
    model_server: Callable[[], ModelServer]  # connects on first use, then the same one
