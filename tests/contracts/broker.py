"""What every broker of the mesh promises, through kombu; inherited by one test class per adapter.

The class gives `connection`, a fresh `kombu.Connection`, and `parked`, which tells how many messages
of a queue were put aside. Queues are declared as in production, with the arguments of quorum queues.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue

from shared.bus import topology

Parked = Callable[[str], int]


def queue(exchange: Exchange | str, routing_key: str, limit: int = 3, **more: Any) -> Queue:
    spec = topology.task_queue(f"q-{uuid.uuid4().hex[:8]}", limit)
    return Queue(
        spec.name,
        exchange,
        routing_key=routing_key,
        queue_arguments=dict(spec.arguments),
        **more,
    )


def topic() -> Exchange:
    return Exchange(f"x-{uuid.uuid4().hex[:8]}", "topic", durable=True)


def drained(connection: Connection, *queues: Queue, seconds: float = 0.15) -> list[Any]:
    """Acknowledge all that comes until nothing came for `seconds`; the bodies, in order."""
    bodies: list[Any] = []

    def take(body: Any, message: Any) -> None:
        bodies.append(body)
        message.ack()

    with Consumer(connection.channel(), queues=list(queues), callbacks=[take], accept=["json"]):
        while True:
            try:
                connection.drain_events(timeout=seconds)
            except TimeoutError:
                return bodies


def fetched(connection: Connection, from_queue: Queue, seconds: float = 3.0) -> Any:
    """The next message, not acknowledged; fails when none comes."""
    bound = from_queue(connection.default_channel)
    deadline = time.monotonic() + seconds
    while (message := bound.get()) is None:
        assert time.monotonic() < deadline, "no message came"
        time.sleep(0.01)
    return message


class BrokerContract:
    """Routing, acknowledgement, redelivery, parking."""

    def test_a_topic_reaches_each_interested_queue_once(self, connection: Connection) -> None:
        exchange = topic()
        exact, star, hash_, other = (
            queue(exchange, key)
            for key in ("media.video.requested", "media.*.requested", "media.#", "x.#")
        )
        for each in (exact, star, hash_, other):
            each(connection.default_channel).declare()
        star(connection.default_channel).bind_to(exchange, "media.video.*")
        Producer(connection, exchange).publish({"n": 1}, routing_key="media.video.requested")
        assert [drained(connection, each) for each in (exact, star, hash_, other)] == [
            [{"n": 1}],
            [{"n": 1}],
            [{"n": 1}],
            [],
        ]

    @pytest.mark.parametrize(
        ("binding", "key", "goes"),
        [
            ("a.#", "a", True),
            ("#.b", "b", True),
            ("a.#.b", "a.b", True),
            ("a.#.b", "a.x.y.b", True),
            ("#", "anything.at.all", True),
            ("a.*", "a", False),
            ("a.*", "a.b.c", False),
            ("a.b", "axb", False),
        ],
    )
    def test_wildcards_stand_for_words(
        self, connection: Connection, binding: str, key: str, goes: bool
    ) -> None:
        exchange = topic()
        bound = queue(exchange, binding)
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({}, routing_key=key)
        assert bool(drained(connection, bound, seconds=0.1)) is goes

    def test_a_fanout_reaches_every_queue(self, connection: Connection) -> None:
        exchange = Exchange(f"x-{uuid.uuid4().hex[:8]}", "fanout")
        queues = [queue(exchange, ""), queue(exchange, "")]
        for each in queues:
            each(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 2}, routing_key="ignored")
        assert [drained(connection, each) for each in queues] == [[{"n": 2}], [{"n": 2}]]

    def test_messages_keep_their_order(self, connection: Connection) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        producer = Producer(connection, exchange)
        for n in range(20):
            producer.publish({"n": n}, routing_key="k")
        assert [body["n"] for body in drained(connection, bound)] == list(range(20))

    def test_an_unacknowledged_message_comes_back_when_the_connection_closes(
        self, connection: Connection
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 3}, routing_key="k")
        with connection.clone() as other:
            assert fetched(other, bound).payload == {"n": 3}
            assert bound(connection.default_channel).get() is None
        assert drained(connection, bound) == [{"n": 3}]

    def test_prefetch_bounds_what_a_consumer_holds(self, connection: Connection) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        producer = Producer(connection, exchange)
        for n in range(5):
            producer.publish({"n": n}, routing_key="k")
        held: list[Any] = []
        channel = connection.channel()
        consumer = Consumer(channel, [bound], accept=["json"], prefetch_count=2)
        consumer.register_callback(lambda _body, message: held.append(message))
        with consumer:
            for _ in range(3):
                try:
                    connection.drain_events(timeout=0.3)
                except TimeoutError:
                    break
            assert len(held) == 2
            held[0].ack()
            connection.drain_events(timeout=2)
            assert len(held) == 3

    def test_a_message_given_back_too_often_is_parked(
        self, connection: Connection, parked: Parked
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k", limit=2)
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 4}, routing_key="k")
        for _ in range(1 + 2):
            fetched(connection, bound).reject(requeue=True)
        time.sleep(0.1)
        assert bound(connection.default_channel).get() is None
        assert parked(bound.name) == 1

    def test_a_refused_message_is_parked_at_once(
        self, connection: Connection, parked: Parked
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 5}, routing_key="k")
        fetched(connection, bound).reject(requeue=False)
        assert parked(bound.name) == 1

    def test_a_mandatory_message_without_a_queue_is_an_error(self, connection: Connection) -> None:
        exchange = topic()
        exchange(connection.default_channel).declare()
        with pytest.raises(Exception, match=r"nobody\.listens|NO_ROUTE"):
            Producer(connection, exchange).publish({}, routing_key="nobody.listens", mandatory=True)

    def test_purge_empties_and_delete_removes(self, connection: Connection) -> None:
        exchange = topic()
        bound = queue(exchange, "k")(connection.default_channel)
        bound.declare()
        producer = Producer(connection, exchange)
        for _ in range(3):
            producer.publish({}, routing_key="k")
        assert bound.queue_declare(passive=True).message_count == 3
        assert bound.purge() == 3
        assert bound.queue_declare(passive=True).message_count == 0
        bound.delete()
        with pytest.raises(Exception, match="NOT_FOUND"):
            bound.queue_declare(passive=True)
