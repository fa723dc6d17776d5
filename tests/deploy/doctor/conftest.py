from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete

from deploy.cli.doctor.examine import examine
from deploy.cli.doctor.finding import Finding
from shared import wiring
from shared.db import migrate
from shared.db.models import Labeling, Outgoing, Task, User
from shared.db.operation_models import Parked
from shared.platform import Platform
from shared.settings import Settings
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

Ask = Callable[..., list[Finding]]
REDIS_DATABASE = 63  # no other test's


@pytest.fixture(scope="module")
def migrated(
    rabbitmq: RabbitMQ,
    postgres: Postgres,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Platform]:
    """Servers as `actverse migrate` leaves them."""
    given: dict[str, Any] = {
        "data_dir": tmp_path_factory.mktemp("data"),
        "broker": rabbitmq.fresh(),
        "database": postgres.fresh(),
        "cache": redis_server.fresh(REDIS_DATABASE),
    }
    platform = wiring.build(Settings(_env_file=None, **given))
    migrate.upgrade(platform.engine)
    platform.broker.apply()
    yield platform
    platform.engine.dispose()
    postgres.drop(given["database"])


@pytest.fixture
def mesh(migrated: Platform) -> Iterator[Platform]:
    """Those servers, without what a test wrote there."""
    yield migrated
    with migrated.sessions.begin() as session:
        for model in (Labeling, Outgoing, Parked, Task, User):
            session.execute(delete(model))


@pytest.fixture
def ask(mesh: Platform) -> Ask:
    """What the doctor finds, by the names of the checks; other settings by keyword."""

    def asked(*only: str, mail_to: str | None = None, **other: Any) -> list[Finding]:
        return examine(mesh.settings.model_copy(update=other), only, mail_to=mail_to)

    return asked
