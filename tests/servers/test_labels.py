"""The tests of the labeler's routes once more, on PostgreSQL and S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.learning import on_servers
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3Server
from tests.services.labeling_manager.test_labeler_api import *  # noqa: F403
from tests.shared.web.door import Door


@pytest.fixture(scope="module")
def door(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, s3_server: S3Server
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("data")
    with Door.opened(folder, **on_servers(postgres, s3_server)) as opened:
        yield opened
