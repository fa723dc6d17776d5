"""The servers as fixtures; one of each in a test session, started when the first test asks for it.

`amqp_url`, `postgres_url`, `redis_url` and `s3_bucket` are empty places of a test's own in them. A
test that kills a server starts one of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.label_studio import LabelStudioServer
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import DATABASES, Redis
from tests.servers.s3 import S3Server

_NUMBERS = itertools.cycle(range(1, DATABASES))


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def label_studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    """The labeling tool; its first start on a machine installs it, which takes minutes."""
    with LabelStudioServer.copied(tmp_path_factory.mktemp("label_studio")) as server:
        yield server


@pytest.fixture
def amqp_url(rabbitmq: RabbitMQ) -> str:
    """A virtual host that nobody used."""
    return rabbitmq.fresh()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty database."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty database."""
    return redis_server.fresh(next(_NUMBERS))


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> str:
    """An empty bucket."""
    return s3_server.bucket()
