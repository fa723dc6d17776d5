"""What the rest of the mesh knows of the bus: an event is published inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from shared.db.inserts import Inserts
from shared.events.base import DomainEvent


class EventBus(Protocol):
    """Publishes events that become visible with the transaction that decided them."""

    def publish(self, event: DomainEvent, session: Session) -> None:
        """Store `event` in the transaction of `session`; it travels once that commits."""
        ...

    def publish_all(self, events: Sequence[DomainEvent], session: Session) -> None:
        """The same for several, in one statement."""
        ...

    def publish_with(
        self,
        beside: Inserts,
        values: dict[str, Any],
        events: Sequence[DomainEvent],
        session: Session,
    ) -> None:
        """The same, in one statement with the rows that belong to the events.

        `values` are those of the parameters of `beside`.
        """
        ...

    def relay(self, limit: int = 500) -> int:
        """Send what is stored and not yet sent; return how many. Safe to call from anywhere."""
        ...

    def leave_to_relay(self) -> None:
        """From now on this process only stores events; whoever calls `relay` sends them."""
        ...


@dataclass(frozen=True)
class Outbound:
    """An event on its way: its row in the outbox, its name (the routing key), its body."""

    row: int
    name: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """What became of some events: those that a queue holds now, and why others are not sent."""

    rows: Sequence[int]
    failed: dict[int, str]


class Sender(Protocol):
    """Hands events to the broker."""

    def send(self, events: Sequence[Outbound]) -> Sent:
        """Send in order, each confirmed by the broker; an event that no queue takes has failed.

        A broker that is away fails all of them within a few seconds; nothing is raised for that.
        """
        ...


@dataclass(frozen=True)
class QueueLoad:
    """How much a queue holds; None is what this broker cannot tell."""

    name: str
    running: int | None  # delivered, not yet acknowledged
    pending: int
    oldest_s: float | None  # age of the oldest pending message, seconds; 0 when there is none


@dataclass(frozen=True)
class ParkedMessage:
    """A message that was delivered too often, or refused."""

    key: str  # of this very parking: handed over twice, it is the same
    queue: str
    reason: str
    deliveries: int  # at least
    headers: dict[str, Any]
    properties: dict[str, Any]  # as AMQP names them: content_type, correlation_id ...
    content: str  # the body as it was published


class Broker(Protocol):
    """The operator's view of the broker."""

    def loads(self) -> Sequence[QueueLoad]:
        """Every queue of the topology, by name."""
        ...

    def take_parked(self, keep: Callable[[ParkedMessage], None], limit: int = 100) -> int:
        """Hand over up to `limit` parked messages; each leaves the broker once `keep` returned.

        One whose `keep` raised, or whose taker died, comes again with the same key.
        """
        ...

    def put_back(self, message: ParkedMessage) -> None:
        """Send a message to its queue again, with a fresh count of deliveries.

        Raises `Conflict` when the queue is gone, `Unavailable` when the broker is.
        """
        ...

    def apply(self) -> None:
        """Declare every exchange, queue and binding of the topology that is missing."""
        ...

    def verify(self) -> Sequence[str]:
        """What differs from the topology, one sentence each; changes nothing that exists."""
        ...
