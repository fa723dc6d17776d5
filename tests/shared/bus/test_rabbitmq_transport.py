"""RabbitMQ keeps the contract of all brokers, with the queues that production declares."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pika
import pytest
from kombu import Connection

from shared.bus import topology
from shared.bus.rabbitmq_broker import RabbitBroker
from tests.contracts.broker import BrokerContract, Parked

PATIENCE_S = 15.0


@pytest.fixture(scope="class")
def vhost(rabbitmq) -> str:
    """One for the whole contract: its queues have names of their own."""
    url = rabbitmq.fresh()
    RabbitBroker(url, topology.Topology((topology.parking(),))).apply()
    return url


class TestRabbitMQ(BrokerContract):
    @pytest.fixture
    def connection(self, vhost: str) -> Iterator[Connection]:
        with Connection(vhost, transport_options={"confirm_publish": True}) as made:
            yield made

    @pytest.fixture
    def parked(self, vhost: str) -> Iterator[Parked]:
        connection = pika.BlockingConnection(pika.URLParameters(vhost))
        channel = connection.channel()

        def count(name: str) -> int:
            """Those of one queue; the broker moves them when it comes to it."""
            deadline = time.monotonic() + PATIENCE_S
            found = 0
            while not found and time.monotonic() < deadline:
                for method, properties, _ in channel.consume(
                    topology.PARKED, inactivity_timeout=0.05
                ):
                    if method is None:
                        break
                    channel.basic_ack(method.delivery_tag)
                    found += properties.headers["x-death"][0]["queue"] == name
            return found

        yield count
        connection.close()
