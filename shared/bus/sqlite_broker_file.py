"""The operator's view of the broker file: topology, loads, parked messages. Needs no kombu."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shared.bus.port import ParkedMessage, QueueLoad
from shared.bus.sqlite_database import BrokerUrl, Database
from shared.bus.sqlite_routing import QueueTerms
from shared.bus.sqlite_store import Store
from shared.bus.topology import DEAD, EXCHANGES, QueueSpec, Topology
from shared.errors import Conflict

# AMQP's names of what lies beside the properties in a message of kombu's virtual transports
BESIDE = {"content_type": "content-type", "content_encoding": "content-encoding"}
OURS = ("body_encoding", "delivery_info", "delivery_tag")


class BrokerFile:
    """The broker at `url` (`actverse+sqlite:///...`), or in a file at a path."""

    def __init__(self, url: str | Path, topology: Topology | None = None) -> None:
        location = BrokerUrl(url) if isinstance(url, Path) else BrokerUrl.parse(url)
        self._database = Database(location.path, location.synchronous)
        self._store = Store(self._database)
        self._topology = topology or Topology(())

    def loads(self) -> Sequence[QueueLoad]:
        """Every queue that outlives its consumers, by name."""
        rows = self._database.rows(
            """SELECT name,
                 (SELECT COUNT(*) FROM message WHERE queue = name AND owner IS NOT NULL) AS running,
                 (SELECT COUNT(*) FROM message WHERE queue = name AND owner IS NULL) AS pending,
                 (SELECT MIN(MAX(sent_at, due_at)) FROM message
                  WHERE queue = name AND owner IS NULL AND due_at <= ?1) AS oldest
               FROM queue WHERE NOT auto_delete AND expires_s IS NULL ORDER BY name""",
            time.time(),
        )
        return [
            QueueLoad(
                name=row["name"],
                running=row["running"],
                pending=row["pending"],
                oldest_s=0.0 if row["oldest"] is None else max(0.0, time.time() - row["oldest"]),
            )
            for row in rows
        ]

    def take_parked(self, keep: Callable[[ParkedMessage], None], limit: int = 100) -> int:
        """Hand over, then forget; `keep` commits elsewhere, so a kill in between hands over again."""
        rows = self._database.rows("SELECT * FROM parked ORDER BY id LIMIT ?", limit)
        for row in rows:
            keep(_message(dict(row)))
            self._database.rows("DELETE FROM parked WHERE id = ?", row["id"])
        return len(rows)

    def put_back(self, message: ParkedMessage) -> None:
        """Send it to its queue again, with a fresh count of deliveries."""
        if not self._store.routing.has_queue(message.queue):
            raise Conflict(
                f"Queue {message.queue!r} is gone. Start the service that declares it, then replay."
            )
        properties = {n: v for n, v in message.properties.items() if n not in BESIDE}
        body = {
            "body": message.content,
            **{there: message.properties.get(here) for here, there in BESIDE.items()},
            "headers": message.headers,
            "properties": {
                **properties,
                "delivery_info": {"exchange": "", "routing_key": message.queue},
                "delivery_tag": "",
            },
        }
        self._store.put([message.queue], json.dumps(body))

    def apply(self) -> None:
        """Declare the topology; a queue with other terms gets the new ones."""
        routing = self._store.routing
        with self._database.transaction():
            for exchange in EXCHANGES:
                routing.declare_exchange(exchange, "topic")
            for queue in self._queues():
                terms = QueueTerms(delivery_limit=queue.arguments.get("x-delivery-limit"))
                routing.declare_queue(queue.name, terms)
                for key in queue.keys:
                    routing.bind(queue.name, queue.exchange, key)

    def verify(self) -> Sequence[str]:
        """Queues and bindings that are missing."""
        routing, bound = self._store.routing, set(self._store.routing.bindings())
        missing = []
        for queue in self._queues():
            if not routing.has_queue(queue.name):
                missing.append(f"Queue {queue.name} is missing: actverse topology apply.")
                continue
            missing += [
                f"Queue {queue.name} does not get {key}: actverse topology apply."
                for key in queue.keys
                if (queue.name, queue.exchange, key) not in bound
            ]
        return missing

    def _queues(self) -> list[QueueSpec]:
        """Those of the topology, but the parking: here that is a table."""
        return [queue for queue in self._topology.queues if queue.exchange != DEAD]


def _message(row: dict[str, Any]) -> ParkedMessage:
    payload = json.loads(row["body"])
    properties = {n: v for n, v in payload.get("properties", {}).items() if n not in OURS}
    beside = {here: payload.get(there) for here, there in BESIDE.items()}
    content = payload.get("body") or ""
    if payload.get("properties", {}).get("body_encoding") == "base64":
        content = base64.b64decode(content).decode("utf-8", errors="replace")
    return ParkedMessage(
        key=f"{row['id']}@{row['parked_at']:.6f}",
        queue=row["queue"],
        reason=row["reason"],
        deliveries=row["deliveries"],
        headers=payload.get("headers") or {},
        properties={n: v for n, v in {**properties, **beside}.items() if v is not None},
        content=content if isinstance(content, str) else json.dumps(content),
    )
