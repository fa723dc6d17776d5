"""The operator's view of the broker file: loads, parked messages, replay. Needs no kombu."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.bus.port import ParkedMessage, QueueLoad
from shared.bus.sqlite_database import BrokerUrl, Database
from shared.bus.sqlite_store import Store
from shared.errors import Conflict, NotFound

_PARKED = """SELECT id, queue, reason, deliveries, body, sent_at, parked_at, settled FROM parked"""


@dataclass(frozen=True)
class ParkedDetail(ParkedMessage):
    """A parked message with its times (seconds since 1970) and what was done about it."""

    sent_at: float
    parked_at: float
    settled: str | None  # None while it waits for a decision, else "replayed" or "discarded"

    @property
    def headers(self) -> dict[str, Any]:
        """Of a Celery task: `task`, `id`, `root_id`, `parent_id`, `group`, `argsrepr` ..."""
        return dict(json.loads(self.body)["headers"])

    @property
    def content(self) -> Any:
        """The body as it was published; of a Celery task `[args, kwargs, options]`."""
        message = json.loads(self.body)
        readable = message["content-type"] == "application/json" and isinstance(
            message["body"], str
        )
        return json.loads(message["body"]) if readable else message["body"]


class BrokerFile:
    """The broker at `url` (`actverse+sqlite:///...`), or in a file at a path."""

    def __init__(self, url: str | Path) -> None:
        location = BrokerUrl(url) if isinstance(url, Path) else BrokerUrl.parse(url)
        self._database = Database(location.path, location.synchronous)
        self._store = Store(self._database)

    def loads(self) -> Sequence[QueueLoad]:
        """Every queue that outlives its consumers, by name."""
        rows = self._database.rows(
            """SELECT name,
                 (SELECT COUNT(*) FROM message WHERE queue = name AND owner IS NOT NULL) AS running,
                 (SELECT COUNT(*) FROM message WHERE queue = name AND owner IS NULL) AS pending,
                 (SELECT COUNT(*) FROM parked WHERE queue = name AND settled IS NULL) AS parked,
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
                parked=row["parked"],
                oldest_s=0.0 if row["oldest"] is None else max(0.0, time.time() - row["oldest"]),
            )
            for row in rows
        ]

    def parked_after(self, position: int) -> Sequence[ParkedDetail]:
        """Messages parked since `position` (an id), oldest first; 0 means all.

        One that was replayed meanwhile is left out, as its work goes on; a discarded one is told.
        """
        rows = self._database.rows(
            f"{_PARKED} WHERE id > ? AND settled IS NOT 'replayed' ORDER BY id", position
        )
        return [ParkedDetail(**dict(row)) for row in rows]

    def parked(self, queue: str | None = None, limit: int = 100) -> Sequence[ParkedDetail]:
        """Those that wait for a decision, the newest first."""
        rows = self._database.rows(
            f"{_PARKED} WHERE settled IS NULL AND (?1 IS NULL OR queue = ?1) ORDER BY id DESC LIMIT ?2",
            queue,
            limit,
        )
        return [ParkedDetail(**dict(row)) for row in rows]

    def show(self, parked_id: int) -> ParkedDetail:
        """One parked message; `NotFound` if there is none of this id."""
        rows = self._database.rows(f"{_PARKED} WHERE id = ?", parked_id)
        if not rows:
            raise NotFound(
                f"No parked message has the id {parked_id}. `actverse parked` lists them."
            )
        return ParkedDetail(**dict(rows[0]))

    def replay(self, parked_id: int) -> None:
        """Send it to its queue again, with a fresh count of deliveries."""
        with self._database.transaction():
            parked = self._settle(parked_id, "replayed")
            if not self._store.routing.has_queue(parked.queue):
                raise Conflict(
                    f"Queue {parked.queue!r} of parked message {parked_id} is gone. Start the service that declares it, then replay."
                )
            self._store.put([parked.queue], parked.body)

    def discard(self, parked_id: int) -> None:
        """Give it up; it can be read for a week more."""
        with self._database.transaction():
            self._settle(parked_id, "discarded")

    def _settle(self, parked_id: int, how: str) -> ParkedDetail:
        parked = self.show(parked_id)
        if parked.settled is not None:
            raise Conflict(f"Parked message {parked_id} was {parked.settled} already.")
        self._database.rows(
            "UPDATE parked SET settled = ?, settled_at = ? WHERE id = ?",
            how,
            time.time(),
            parked_id,
        )
        return parked
