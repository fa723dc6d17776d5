"""The operator's view of RabbitMQ, by pika: topology, loads, parked messages. Workers use kombu."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelClosedByBroker,
    NackError,
    UnroutableError,
)

from shared.bus.port import ParkedMessage, QueueLoad
from shared.bus.topology import EXCHANGES, PARKED, QueueSpec, Topology
from shared.errors import Conflict, Unavailable
from shared.redaction import without_secrets

T = TypeVar("T")
NOT_FOUND, NOT_THE_SAME = 404, 406
PATIENCE_S = 5.0
PROPERTIES = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "priority",
    "message_id",
    "timestamp",
    "type",
)


class RabbitBroker:
    """The RabbitMQ at `url` (`amqp://user:password@host:5672/vhost`).

    One connection, opened at the first question and again when it was lost; questions from several
    threads wait for each other, each takes a few milliseconds.
    """

    def __init__(self, url: str, topology: Topology) -> None:
        self._topology = topology
        self._parameters = pika.URLParameters(url.replace("pyamqp://", "amqp://", 1))
        # kombu reads "//" at the end as the vhost "/", pika as one without a name
        self._parameters.virtual_host = self._parameters.virtual_host or "/"
        self._parameters.socket_timeout = PATIENCE_S
        self._parameters.stack_timeout = 2 * PATIENCE_S
        self._parameters.blocked_connection_timeout = PATIENCE_S
        self._parameters.heartbeat = 0  # nobody serves it between two questions
        self._where = without_secrets(url)
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None

    def loads(self) -> Sequence[QueueLoad]:
        """Every queue of the topology that exists."""
        return self._ask(self._loads)

    def take_parked(self, keep: Callable[[ParkedMessage], None], limit: int = 100) -> int:
        """Take them off the parking queue, each once `keep` has returned."""
        limits = {q.name: q.arguments.get("x-delivery-limit", 0) for q in self._topology.queues}

        def told(message: ParkedMessage) -> None:
            # the count of deliveries stays behind in the queue; its limit is what it had reached
            reached = limits.get(message.queue, 0) if message.reason == "delivery_limit" else 0
            keep(replace(message, deliveries=reached + 1))

        return self._ask(partial(_take, keep=told, limit=limit))

    def put_back(self, message: ParkedMessage) -> None:
        """Publish straight to the queue, confirmed."""
        self._ask(partial(_put_back, message=message))

    def apply(self) -> None:
        """Declare what is missing; `Conflict` says which queue exists with other arguments."""
        self._ask(self._apply)

    def verify(self) -> Sequence[str]:
        """Queues that are missing or have other arguments. Bindings cannot be asked by AMQP."""
        found = [self._ask(partial(_differs, queue=queue)) for queue in self._topology.queues]
        return [difference for difference in found if difference]

    def server(self) -> dict[str, Any]:
        """What the server says of itself: `product`, `version`, `platform` ..."""
        with self._lock:
            told: dict[str, Any] = self._open()._impl.server_properties  # noqa: SLF001 - pika has no public name for it
            return dict(told)

    def _open(self) -> pika.BlockingConnection:
        if self._connection is None or not self._connection.is_open:
            self._connection = pika.BlockingConnection(self._parameters)
        return self._connection

    def _ask(self, question: Callable[[BlockingChannel], T]) -> T:
        """Put `question` on a channel of its own; once more where the old connection was gone."""
        with self._lock:
            kept = self._connection is not None
            try:
                return self._answer(question)
            except ChannelClosedByBroker as error:
                raise Conflict(f"RabbitMQ refused: {error.reply_text}") from error
            except (AMQPError, OSError) as error:
                self._drop()
                if not kept:
                    raise self._away(error) from error
            try:
                return self._answer(question)
            except (AMQPError, OSError) as error:
                self._drop()
                raise self._away(error) from error

    def _answer(self, question: Callable[[BlockingChannel], T]) -> T:
        channel = self._open().channel()
        try:
            return question(channel)
        finally:
            if channel.is_open:
                channel.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None and connection.is_open:
                connection.close()
        except (AMQPError, OSError):
            pass  # it was broken; that is why we drop it

    def _away(self, error: Exception) -> Unavailable:
        cause = error.args[0] if isinstance(error, AMQPConnectionError) and error.args else error
        return Unavailable(
            f"RabbitMQ at {self._where} does not answer ({type(error).__name__}: {cause})."
        )

    def _loads(self, channel: BlockingChannel) -> list[QueueLoad]:
        found = []
        for queue in self._topology.working:
            try:
                answer = channel.queue_declare(queue.name, passive=True)
            except ChannelClosedByBroker as error:
                if error.reply_code != NOT_FOUND:
                    raise
                channel = channel.connection.channel()
                continue
            pending = answer.method.message_count
            found.append(QueueLoad(queue.name, None, pending, None if pending else 0.0))
        return sorted(found, key=lambda load: load.name)

    def _apply(self, channel: BlockingChannel) -> None:
        for exchange in EXCHANGES:
            channel.exchange_declare(exchange, "topic", durable=True)
        for queue in self._topology.queues:
            _declare(channel, queue)
            for key in queue.keys:
                channel.queue_bind(queue.name, queue.exchange, key)


def _declare(channel: BlockingChannel, queue: QueueSpec) -> None:
    try:
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_THE_SAME:
            raise
        raise Conflict(_other(queue, error.reply_text)) from error


def _other(queue: QueueSpec, told: str) -> str:
    return (
        f"Queue {queue.name} exists with other arguments ({told}). Arguments never change in place: "
        "stop what publishes, let the workers empty the queue, delete it "
        "(rabbitmqctl delete_queue), then: actverse topology apply."
    )


def _differs(channel: BlockingChannel, queue: QueueSpec) -> str | None:
    """What is wrong with one queue; the broker closes the channel to say so."""
    try:
        channel.queue_declare(queue.name, passive=True)
    except ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        return f"Queue {queue.name} is missing: actverse topology apply."
    try:
        _declare(channel, queue)
    except Conflict as error:
        return str(error)
    return None


def _take(channel: BlockingChannel, keep: Callable[[ParkedMessage], None], limit: int) -> int:
    for taken in range(limit):
        try:
            method, properties, body = channel.basic_get(PARKED)
        except ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:  # nothing was declared yet, so nothing is parked
                return 0
            raise
        if method is None or properties is None or body is None:
            return taken
        keep(_parked(properties, body))  # when it raises, the channel's end gives the message back
        channel.basic_ack(method.delivery_tag or 0)
    return limit


def _parked(properties: pika.BasicProperties, body: bytes) -> ParkedMessage:
    headers = dict(properties.headers or {})
    deaths = headers.pop("x-death", None) or [{}]
    for name in [n for n in headers if n.startswith("x-")]:  # the broker's own notes
        del headers[name]
    content = body.decode("utf-8", errors="replace")
    death = {name: str(value) for name, value in deaths[0].items()}
    told = [death, headers, content, properties.correlation_id]  # a death's time is whole seconds
    identity = json.dumps(told, sort_keys=True, default=str)
    return ParkedMessage(
        key=hashlib.sha256(identity.encode()).hexdigest(),
        queue=death.get("queue", "?"),
        reason=death.get("reason", "?"),
        deliveries=1,
        headers=headers,
        properties={
            name: value for name in PROPERTIES if (value := getattr(properties, name)) is not None
        },
        content=content,
    )


def _put_back(channel: BlockingChannel, message: ParkedMessage) -> None:
    channel.confirm_delivery()
    properties = pika.BasicProperties(
        headers=message.headers, delivery_mode=2, **message.properties
    )
    try:
        channel.basic_publish(
            "", message.queue, message.content.encode(), properties, mandatory=True
        )
    except UnroutableError as error:
        raise Conflict(
            f"Queue {message.queue!r} is gone. `actverse topology apply` declares it; then replay."
        ) from error
    except NackError as error:
        raise Unavailable(f"RabbitMQ would not take a message for {message.queue!r}.") from error
