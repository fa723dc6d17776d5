"""A periodic task that nobody took in time is forgotten, and no operator is called for it."""

from __future__ import annotations

import time
from pathlib import Path

from shared import wiring
from shared.bus.topology import PARKED
from shared.flow import parking
from shared.settings import Settings
from tests.shared.db import prepared


def test_what_expired_is_not_parked(amqp_url: str, redis_url: str, tmp_path: Path) -> None:
    platform = wiring.build(Settings(data_dir=tmp_path, broker=amqp_url, cache=redis_url))
    prepared.upgrade(platform.engine)
    platform.broker.apply()
    tick = platform.celery.signature("notification.send_due", queue="notification", expires=0.1)
    tick.apply_async()
    deadline = time.monotonic() + 20
    taken = 0
    while not taken:  # RabbitMQ moves it in its own time
        assert time.monotonic() < deadline, f"nothing came to {PARKED}"
        taken = parking.take(platform)
    with platform.reads() as session:
        assert parking.waiting(session) == []
    assert [load.pending for load in platform.broker.loads() if load.name == "notification"] == [0]
    platform.engine.dispose()
