"""The tests of rounds and triggers once more, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgres import Postgres
from tests.services.model_trainer.test_rounds import *  # noqa: F403
from tests.services.model_trainer.test_triggers import *  # noqa: F403
from tests.shared.web.conftest import ann, bob  # noqa: F401 - fixtures
from tests.shared.web.door import Door


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("data")
    with Door.opened(folder, database=postgres.fresh()) as opened:
        yield opened
