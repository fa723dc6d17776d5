"""The part of a kombu channel that makes exchanges, queues and bindings; they live in the file."""

from __future__ import annotations

from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import ChannelError
from kombu.transport import virtual as kombu_virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.utils.uuid import uuid

from shared.bus.sqlite_routing import QueueTerms
from shared.bus.sqlite_store import Store

virtual: Any = kombu_virtual  # typed in parts only, and not as it is called


class TopologyChannel(virtual.Channel):
    """Declares, binds and deletes, as RabbitMQ would."""

    store: Store

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",  # noqa: A002 - kombu names it so
        passive: bool = False,
        **_: Any,
    ) -> None:
        """Create an exchange, or with `passive` raise when there is none."""
        exchange = exchange or f"amq.{type}"
        if passive and not self.store.routing.has_exchange(exchange):
            raise ChannelError(
                f"NOT_FOUND - no exchange {exchange!r}", (40, 10), "Channel.exchange_declare", "404"
            )
        if not passive:
            self.store.routing.declare_exchange(exchange, type or "direct")

    def exchange_delete(self, exchange: str, **_: Any) -> None:
        """Delete an exchange and its bindings."""
        self.store.routing.delete_exchange(exchange)

    def prepare_queue_arguments(self, arguments: dict[str, Any], **terms: Any) -> dict[str, Any]:
        """Write kombu's `expires`, `message_ttl` ... as RabbitMQ's queue arguments."""
        return dict(to_rabbitmq_queue_arguments(arguments, **terms))

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        auto_delete: bool = False,
        arguments: dict[str, Any] | None = None,
        **_: Any,
    ) -> queue_declare_ok_t:
        """Create a queue, or with `passive` raise when there is none; tells what it holds."""
        queue = queue or f"amq.gen-{uuid()}"
        if passive and not self.store.routing.has_queue(queue):
            raise ChannelError(
                f"NOT_FOUND - no queue {queue!r}", (50, 10), "Channel.queue_declare", "404"
            )
        if not passive:
            self.store.routing.declare_queue(queue, _terms(auto_delete, arguments or {}))
        return queue_declare_ok_t(
            queue, self.store.pending(queue), self.store.routing.listeners(queue)
        )

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **_: Any
    ) -> None:
        """Delete a queue with its messages."""
        used = if_unused and self.store.routing.listeners(queue)
        if not used and not (if_empty and self.store.pending(queue)):
            self.store.routing.delete_queue(queue)

    def queue_bind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", **_: Any
    ) -> None:
        """Bind `queue` to `exchange`."""
        self.store.routing.bind(queue, exchange or "amq.direct", routing_key or "")

    def queue_unbind(
        self, queue: str, exchange: str | None = None, routing_key: str = "", **_: Any
    ) -> None:
        """Undo `queue_bind`."""
        self.store.routing.unbind(queue, exchange or "amq.direct", routing_key or "")

    def list_bindings(self) -> list[tuple[str, str, str]]:
        """All bindings, as (queue, exchange, routing key)."""
        return self.store.routing.bindings()


def _terms(auto_delete: bool, arguments: dict[str, Any]) -> QueueTerms:
    def seconds(name: str) -> float | None:
        return arguments[name] / 1000 if arguments.get(name) is not None else None

    return QueueTerms(
        delivery_limit=arguments.get("x-delivery-limit"),
        message_ttl_s=seconds("x-message-ttl"),
        expires_s=seconds("x-expires"),
        auto_delete=auto_delete,
    )
