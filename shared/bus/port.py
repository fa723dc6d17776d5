"""What the rest of the mesh knows of the bus: an event is published inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from shared.events.base import DomainEvent


class EventBus(Protocol):
    """Publishes events that become visible with the transaction that decided them."""

    def publish(self, event: DomainEvent, session: Session) -> None:
        """Store `event` in the transaction of `session`; it travels once that commits."""
        ...

    def relay(self, limit: int = 500) -> int:
        """Send what is stored and not yet sent; return how many. Safe to call from anywhere."""
        ...


@dataclass(frozen=True)
class QueueLoad:
    """How much a queue holds."""

    name: str
    running: int
    pending: int
    parked: int
    oldest_s: float  # age of the oldest pending message, seconds; 0 when there is none


@dataclass(frozen=True)
class ParkedMessage:
    """A message that was delivered too often, or refused."""

    id: int
    queue: str
    reason: str
    deliveries: int
    body: str


class Broker(Protocol):
    """The operator's view of the broker."""

    def loads(self) -> Sequence[QueueLoad]:
        """Every durable queue."""
        ...

    def parked_after(self, position: int) -> Sequence[ParkedMessage]:
        """Messages parked since `position`, oldest first; their ids only grow."""
        ...
