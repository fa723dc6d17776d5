"""RabbitMQ as operators see it: topology, loads, what is parked; on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from shared.bus.port import ParkedMessage
from shared.bus.rabbitmq_broker import RabbitBroker
from shared.bus.topology import EVENTS, PARKED, Topology, event_queue, parking, task_queue
from shared.errors import Conflict, Unavailable

TOPOLOGY = Topology((parking(), task_queue("cook", 3), event_queue("cook", ("EVENT_HUNGRY",))))


@pytest.fixture
def broker(amqp_url: str) -> RabbitBroker:
    made = RabbitBroker(amqp_url, TOPOLOGY)
    made.apply()
    return made


@pytest.fixture
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    yield connection.channel()
    connection.close()


def hungry(channel: BlockingChannel, **headers: object) -> None:
    properties = pika.BasicProperties(
        headers={"event": "EVENT_HUNGRY", **headers}, content_type="application/json"
    )
    channel.confirm_delivery()
    channel.basic_publish(EVENTS, "EVENT_HUNGRY", b'{"n": 1}', properties, mandatory=True)


def refuse(channel: BlockingChannel) -> None:
    method, _, _ = channel.basic_get("cook.events")
    assert method is not None
    channel.basic_reject(method.delivery_tag, requeue=False)


def parked(broker: RabbitBroker) -> list[ParkedMessage]:
    kept: list[ParkedMessage] = []
    for _ in range(100):
        if broker.take_parked(kept.append):
            break
    return kept


def test_the_topology_is_applied_again_and_again(broker: RabbitBroker) -> None:
    broker.apply()
    assert broker.verify() == []
    assert [load.name for load in broker.loads()] == ["cook", "cook.events"]


def test_a_missing_queue_and_one_with_other_arguments_are_named(
    broker: RabbitBroker, channel: BlockingChannel
) -> None:
    channel.queue_delete("cook")
    channel.queue_delete("cook.events")
    channel.queue_declare("cook.events", durable=True)
    missing, other = broker.verify()
    assert missing == "Queue cook is missing: actverse topology apply."
    assert "Queue cook.events exists with other arguments" in other
    with pytest.raises(Conflict, match="never change in place"):
        broker.apply()


def test_loads_count_what_waits(broker: RabbitBroker, channel: BlockingChannel) -> None:
    for _ in range(3):
        hungry(channel)
    loads = {load.name: (load.pending, load.running) for load in broker.loads()}
    assert loads == {"cook": (0, None), "cook.events": (3, None)}


def test_a_refused_message_is_handed_over_until_somebody_kept_it(
    broker: RabbitBroker, channel: BlockingChannel
) -> None:
    hungry(channel, language="ko")
    refuse(channel)
    seen: list[ParkedMessage] = []

    def fail(message: ParkedMessage) -> None:
        seen.append(message)
        raise LookupError

    while not seen:
        try:
            broker.take_parked(fail)
        except LookupError:
            break
    [message] = parked(broker)
    assert message == seen[0]
    assert (message.queue, message.reason) == ("cook.events", "rejected")
    assert message.headers == {"event": "EVENT_HUNGRY", "language": "ko"}
    assert json.loads(message.content) == {"n": 1}
    assert broker.take_parked(seen.append) == 0


def test_it_can_be_put_back_as_it_was(broker: RabbitBroker, channel: BlockingChannel) -> None:
    hungry(channel)
    refuse(channel)
    [message] = parked(broker)
    broker.put_back(message)
    method, properties, body = channel.basic_get("cook.events", auto_ack=True)
    assert method is not None
    assert (properties.headers["event"], body) == ("EVENT_HUNGRY", b'{"n": 1}')
    assert "x-death" not in properties.headers
    channel.queue_delete("cook.events")
    with pytest.raises(Conflict, match="is gone"):
        broker.put_back(message)


def test_before_anything_was_declared_nothing_is_parked(amqp_url: str) -> None:
    made = RabbitBroker(amqp_url, TOPOLOGY)
    assert made.take_parked(lambda _: None) == 0
    assert made.loads() == []
    assert len(made.verify()) == 3


def test_a_lost_connection_is_opened_again(broker: RabbitBroker) -> None:
    assert broker._connection is not None
    broker._connection.close()
    assert len(broker.loads()) == 2


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    made = RabbitBroker("amqp://someone:secret@127.0.0.1:1/", TOPOLOGY)
    with pytest.raises(Unavailable, match="does not answer") as told:
        made.loads()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("path", ["", "/", "//", "/%2F"])
def test_the_unnamed_vhost_is_the_one_that_celery_means(path: str) -> None:
    made = RabbitBroker(f"amqp://someone:secret@127.0.0.1:1{path}", TOPOLOGY)
    assert made._parameters.virtual_host == "/"


def test_the_dead_are_kept_when_nobody_takes_them(
    broker: RabbitBroker, channel: BlockingChannel
) -> None:
    hungry(channel)
    refuse(channel)
    while not channel.queue_declare(PARKED, passive=True).method.message_count:
        channel.connection.process_data_events(0.05)
    assert len(parked(broker)) == 1
