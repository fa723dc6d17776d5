"""The tests of the labeler in the browser once more, on PostgreSQL: leases, revisions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import wiring
from shared.db import migrate
from shared.db.models import User
from shared.platform import Platform
from shared.settings import Settings
from tests.servers.postgres import Postgres
from tests.services.labeling_manager.test_builtin import *  # noqa: F403


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Platform]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), database=postgres.fresh())
    made = wiring.build(settings)
    migrate.upgrade(made.engine)
    with made.sessions.begin() as session:
        session.add(User(id="ann", name="ann"))
    yield made
    made.engine.dispose()
