"""Kombu over one SQLite file, so that Celery runs on a laptop without a broker server.

URL: `actverse+sqlite:///data_storage/broker.db`; call `register` once before the first connection.
Queue arguments are those of RabbitMQ's quorum queues: `x-delivery-limit` (redeliveries, then the
message is parked), `x-message-ttl`, `x-expires` (milliseconds); others are ignored. A message header
`x-delay` (milliseconds) or Celery's `eta` delays the delivery in the file, so a waiting task occupies
no worker and survives every kill.
"""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from queue import Empty
from typing import Any

from kombu.log import get_logger
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import virtual as kombu_virtual
from kombu.utils import json as kombu_json

from shared.bus.sqlite_database import BrokerUrl, Database
from shared.bus.sqlite_delivery import Delivery
from shared.bus.sqlite_store import Claim, Store
from shared.bus.sqlite_topology import TopologyChannel
from shared.errors import Unavailable

virtual: Any = kombu_virtual  # typed in parts only, and not as it is called
codec: Any = kombu_json  # headers may hold dates and ids
log = get_logger(__name__)


class Unroutable(Unavailable):
    """A mandatory message that no queue would get; its service has never been started."""

    def __init__(self, exchange: str, routing_key: str) -> None:
        super().__init__(
            f"No queue is bound to exchange {exchange!r} for {routing_key!r}. Start the service that consumes it, then send again."
        )


def due_at(headers: dict[str, Any]) -> float:
    """When a message may be delivered (0: at once), from its `eta` or `x-delay` header."""
    if headers.get("eta"):
        return datetime.fromisoformat(headers["eta"]).timestamp()
    if headers.get("x-delay"):
        return time.time() + float(headers["x-delay"]) / 1000
    return 0.0


class QoS(virtual.QoS):
    """How many unacknowledged messages a channel may hold, and what becomes of them."""

    def ack(self, delivery_tag: str) -> None:
        """Done with this message."""
        self._settle(delivery_tag, self.channel.store.ack)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Back to the queue, counted; or parked."""
        store = self.channel.store
        self._settle(delivery_tag, store.requeue if requeue else store.park)

    def restore_unacked(self) -> list[tuple[BaseException, Any]]:
        """The channel closes in order: hand back what was not worked on, without counting it."""
        self._flush()
        for delivery_tag in list(self._delivered):
            self._settle(delivery_tag, self.channel.store.give_back)
        self._delivered.clear()
        return []

    def _settle(self, delivery_tag: str, how: Callable[[str], None]) -> None:
        self.channel.delivery.settle(partial(how, delivery_tag))
        self._quick_ack(delivery_tag)


class Channel(TopologyChannel):
    """One channel; its topology and messages live in the file, nothing in the process."""

    QoS = QoS
    supports_fanout = True

    def __init__(self, connection: Transport, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.store: Store = connection.store
        self.delivery: Delivery = connection.delivery
        self._without_ack: set[str] = set()

    def basic_publish(
        self,
        message: dict[str, Any],
        exchange: str,
        routing_key: str,
        mandatory: bool = False,
        **_: Any,
    ) -> None:
        """Store a message in every queue that it goes to; `mandatory` raises when there is none."""
        queues = self.store.routing.route(exchange, routing_key or "")
        if not queues:
            if mandatory:
                raise Unroutable(exchange, routing_key)
            return
        self._inplace_augment_message(message, exchange, routing_key)
        ttl_ms = message["properties"].get("expiration")
        self.store.put(
            queues,
            codec.dumps(message),
            priority=self._get_message_priority(message),
            due_at=due_at(message["headers"]),
            expires_at=time.time() + float(ttl_ms) / 1000 if ttl_ms else None,
        )

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[..., Any],
        consumer_tag: str,
        **kwargs: Any,
    ) -> None:
        """Consume `queue`."""
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        (self._without_ack.add if no_ack else self._without_ack.discard)(queue)
        self.store.routing.listen(queue, self.delivery.bell.name)
        self.delivery.look_soon()

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop consuming."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is not None and queue not in self._active_queues:
            self.delivery.settle(
                partial(self.store.routing.stop_listening, queue, self.delivery.bell.name)
            )

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Any | None:
        """One message at once, or None."""
        claim = (self.store.take if no_ack else self.store.claim)(queue)
        if claim is None:
            return None
        message = self.Message(_delivered(claim), channel=self)
        if not no_ack:
            self.qos.append(message, message.delivery_tag)
        return message

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str]:
        """Keep text as it is, so that parked messages can be read; JSON cannot hold bytes."""
        del encoding
        if isinstance(body, bytes):
            return base64.b64encode(body).decode(), "base64"
        return body, "utf-8"

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        del timeout
        try:
            due = self.store.next_due(queue)
            if due is None or due > time.time():
                self.delivery.expect(due)
                raise Empty
            claim = (self.store.take if queue in self._without_ack else self.store.claim)(queue)
        except sqlite3.OperationalError as error:  # locked for long, or the disk is full
            log.warning("The broker file cannot be read or written now: %s", error)
            raise Empty from error
        if claim is None:  # another process was faster
            raise Empty
        return _delivered(claim)

    def _get_and_deliver(self, queue: str, callback: Callable[[dict[str, Any], str], None]) -> None:
        message = self._get(queue)
        try:
            callback(message, queue)
        except Exception:
            # The consumer broke over this message and its process may end: that counts, or a message
            # that kills every consumer would come back for ever.
            self.delivery.settle(partial(self.store.requeue, message["properties"]["delivery_tag"]))
            raise

    def _size(self, queue: str) -> int:
        return self.store.pending(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)


def _delivered(claim: Claim) -> dict[str, Any]:
    message: dict[str, Any] = codec.loads(claim.body)
    properties, headers = message["properties"], message["headers"]
    properties["delivery_tag"] = claim.tag
    properties["delivery_info"]["redelivered"] = claim.deliveries > 1
    headers["x-delivery-count"] = claim.deliveries - 1
    if headers.get("eta"):
        headers["eta"] = None  # it has been waited for; else the worker would count it as delayed
    return message


class Transport(virtual.Transport):
    """One connection of one process to the broker file."""

    Channel = Channel
    can_parse_url = True
    driver_type = "actverse"  # Celery sends no monitoring events over "sql"
    driver_name = "actverse+sqlite"
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.OperationalError)
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset({"direct", "topic", "fanout"})
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        url = BrokerUrl.parse(client.hostname)
        options = client.transport_options or {}
        synchronous = str(options.get("synchronous", url.synchronous)).upper()
        self.store = Store(Database(url.path, synchronous))
        self.delivery = Delivery(self.store, self._deliver_one)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver one message; `TimeoutError` when none came within `timeout` seconds."""
        del connection
        self.delivery.drain(timeout)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let kombu's event loop deliver: no thread, no sleep."""
        del connection
        self.delivery.join_loop(loop)

    def close_connection(self, connection: Any) -> None:
        """Give everything back and take the bell down."""
        super().close_connection(connection)
        self.delivery.close()

    def driver_version(self) -> str:
        """The version of SQLite."""
        return sqlite3.sqlite_version

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """The URL as it was given: it holds no secret."""
        del include_password, mask
        return f"actverse+{uri}"

    def _deliver_one(self) -> bool:
        try:
            self.cycle.get(self._deliver)
        except Empty:
            return False
        return True


def register() -> None:
    """Make the URL scheme `actverse+sqlite` known, to kombu and as a Celery result backend."""
    from celery.app.backends import BACKEND_ALIASES

    TRANSPORT_ALIASES["actverse"] = "shared.bus.sqlite_transport:Transport"
    BACKEND_ALIASES["actverse"] = "shared.bus.sqlite_results:SqliteResults"
