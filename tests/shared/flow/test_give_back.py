"""An event that waits for another try outlives the connection that brought it."""

from __future__ import annotations

import pytest
from kombu import Connection, Producer

from shared.flow.consumer import give_back
from tests.contracts.broker import fetched, queue, topic


@pytest.mark.parametrize("lost", [True, False])
def test_the_broker_delivers_it_again_and_nobody_fails(amqp_url: str, lost: bool) -> None:
    with Connection(amqp_url) as one, Connection(amqp_url) as other:
        exchange = topic()
        events = queue(exchange, "k")
        events(one.default_channel).declare()
        Producer(one, exchange).publish({"n": 1}, routing_key="k")
        message = fetched(one, events)
        if lost:
            one.collect()  # the connection breaks
        give_back(message)
        again = fetched(other, events)
        assert again.payload == {"n": 1}
        assert again.headers["x-delivery-count"] == 1
        again.ack()
