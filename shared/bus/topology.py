"""Exchanges, queues and bindings as data: the same for every broker.

The arguments of a queue never change in place, a broker refuses that: what must change them gives
the queue a new name (`VERSION`), and the old one is deleted once it is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TASKS = "actverse.tasks"
EVENTS = "actverse.events"
DEAD = "actverse.dead"
PARKED = "actverse.parked"
EXCHANGES = (TASKS, EVENTS, DEAD)
"""All are durable topics: native delayed delivery works with no other kind."""
EVENT_REDELIVERIES = 20
VERSION = 1
"""Raise it when the arguments of the queues change; their names change with it."""


@dataclass(frozen=True)
class QueueSpec:
    """One durable queue."""

    name: str
    exchange: str
    keys: tuple[str, ...]
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Topology:
    """Everything that is declared, in the order in which it must be."""

    queues: tuple[QueueSpec, ...]

    @property
    def working(self) -> tuple[QueueSpec, ...]:
        """The queues that somebody consumes; not the one with the dead."""
        return tuple(queue for queue in self.queues if queue.name != PARKED)


def named(service: str) -> str:
    """The name of a service's queue in this version."""
    return service if VERSION == 1 else f"{service}.v{VERSION}"


def _quorum(redeliveries: int, name: str) -> dict[str, Any]:
    """A replicated queue that puts a message aside after so many redeliveries, and loses none."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": redeliveries,
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def task_queue(service: str, redeliveries: int) -> QueueSpec:
    """The queue with the Celery tasks of `service`."""
    name = named(service)
    return QueueSpec(name, TASKS, (name,), _quorum(redeliveries, name))


def event_queue(service: str, names: Sequence[str]) -> QueueSpec:
    """The queue with the events that `service` takes."""
    name = f"{named(service)}.events"
    return QueueSpec(name, EVENTS, tuple(names), _quorum(EVENT_REDELIVERIES, name))


def parking() -> QueueSpec:
    """Where the dead of all queues go; declared before them, or they would keep their dead."""
    return QueueSpec(PARKED, DEAD, ("#",), {"x-queue-type": "quorum"})
