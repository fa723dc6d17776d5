"""The messages of the broker file: put, claim, acknowledge, give back, park.

A claimed message belongs to the process that claimed it for as long as that process lives: there is
no visibility timeout, a task may take days. When the process dies the message is free within a
second. Every claim counts; a message that comes back too often is parked and stops nobody.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus import sqlite_bell
from shared.bus.sqlite_database import Database
from shared.bus.sqlite_routing import Routing
from shared.process import alive, this_process

DEFAULT_DELIVERY_LIMIT = 20  # redeliveries; the same as RabbitMQ's quorum queues

REJECTED = "rejected"
TOO_MANY_DELIVERIES = "delivery_limit"

_OVER_LIMIT = """deliveries > COALESCE(
    (SELECT CASE WHEN delivery_limit < 0 THEN 9e9 ELSE delivery_limit END
     FROM queue WHERE name = message.queue), :default)"""


@dataclass(frozen=True)
class Claim:
    """A message in our hands; `deliveries` is 1 the first time, and makes an old claim harmless."""

    id: int
    deliveries: int
    body: str

    @property
    def tag(self) -> str:
        """The delivery tag: which message, and which of its claims."""
        return f"{self.id}.{self.deliveries}"


class Store:
    """The messages in `database`, for all queues."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.routing = Routing(database)

    def put(
        self,
        queues: Sequence[str],
        body: str,
        *,
        priority: int = 0,
        due_at: float = 0.0,
        expires_at: float | None = None,
    ) -> None:
        """Store `body` for all of `queues` or, if the process dies, for none."""
        now = time.time()
        with self.database.transaction() as connection:
            connection.executemany(
                """INSERT INTO message (queue, priority, due_at, expires_at, sent_at, body)
                   SELECT name, :priority, :due_at,
                     CASE WHEN message_ttl_s IS NULL THEN :expires_at
                       ELSE MIN(COALESCE(:expires_at, 1e18), :now + message_ttl_s) END,
                     :now, :body
                   FROM queue WHERE name = :queue""",
                [
                    {
                        "queue": queue,
                        "priority": priority,
                        "due_at": due_at,
                        "expires_at": expires_at,
                        "now": now,
                        "body": body,
                    }
                    for queue in queues
                ],
            )
            self.routing.ring(queues)

    def next_due(self, queue: str) -> float | None:
        """When the next waiting message may be delivered (0: at once); None if none waits."""
        due_at = self.database.rows(
            "SELECT MIN(due_at) FROM message WHERE queue = ? AND owner IS NULL", queue
        )[0][0]
        return None if due_at is None else float(due_at)

    def claim(self, queue: str) -> Claim | None:
        """Take the next message: the highest priority, then the oldest."""
        now = time.time()
        rows = self.database.rows(
            """UPDATE message SET owner = ?, deliveries = deliveries + 1 WHERE id = (
                 SELECT id FROM message WHERE queue = ? AND owner IS NULL AND due_at <= ?
                   AND (expires_at IS NULL OR expires_at > ?)
                 ORDER BY priority DESC, id LIMIT 1)
               RETURNING id, deliveries, body""",
            this_process(),
            queue,
            now,
            now,
        )
        return Claim(*rows[0]) if rows else None

    def take(self, queue: str) -> Claim | None:
        """Take the next message and forget it at once, for a consumer that does not acknowledge."""
        now = time.time()
        rows = self.database.rows(
            """DELETE FROM message WHERE id = (
                 SELECT id FROM message WHERE queue = ? AND owner IS NULL AND due_at <= ?
                   AND (expires_at IS NULL OR expires_at > ?)
                 ORDER BY priority DESC, id LIMIT 1)
               RETURNING id, deliveries + 1, body""",
            queue,
            now,
            now,
        )
        return Claim(*rows[0]) if rows else None

    def ack(self, tag: str) -> None:
        """Done: forget the message. Does nothing when the claim is no longer ours."""
        self.database.rows(
            "DELETE FROM message WHERE id = ? AND deliveries = ? AND owner = ?", *self._held(tag)
        )

    def give_back(self, tag: str) -> None:
        """Undo the claim as if it had never been: we stop in order and did not work on it."""
        gone = self.database.rows(
            """UPDATE message SET owner = NULL, deliveries = deliveries - 1
               WHERE id = ? AND deliveries = ? AND owner = ? RETURNING queue""",
            *self._held(tag),
        )
        self.routing.ring(row["queue"] for row in gone)

    def requeue(self, tag: str) -> None:
        """Give the message to the next consumer; this delivery counts toward the limit."""
        message_id, deliveries, owner = self._held(tag)
        self._return(
            "id = :id AND deliveries = :deliveries AND owner = :owner",
            {"id": message_id, "deliveries": deliveries, "owner": owner},
        )

    def park(self, tag: str, reason: str = REJECTED) -> None:
        """Put the message aside for good."""
        message_id, deliveries, owner = self._held(tag)
        with self.database.transaction():
            self._park(
                "id = :id AND deliveries = :deliveries AND owner = :owner",
                {"id": message_id, "deliveries": deliveries, "owner": owner},
                reason,
            )

    def reap(self) -> None:
        """Free what dead processes held, and drop what expired. Cheap; call it every second."""
        held = self.database.rows("SELECT DISTINCT owner FROM message WHERE owner IS NOT NULL")
        for owner in [row["owner"] for row in held if not alive(row["owner"])]:
            self._return("owner = :owner", {"owner": owner})
        self.routing.forget_dead_listeners()
        now = time.time()
        if self.database.rows(
            "SELECT 1 FROM message WHERE expires_at < ? AND owner IS NULL LIMIT 1", now
        ):
            self.database.rows("DELETE FROM message WHERE expires_at < ? AND owner IS NULL", now)

    def tidy(self) -> None:
        """Drop the bells of processes that died; call it now and then."""
        sqlite_bell.remove_dead(self.database.path)

    def pending(self, queue: str) -> int:
        """How many messages of `queue` wait."""
        return int(
            self.database.rows(
                "SELECT COUNT(*) FROM message WHERE queue = ? AND owner IS NULL", queue
            )[0][0]
        )

    def purge(self, queue: str) -> int:
        """Delete the waiting messages of `queue`; return how many."""
        gone = self.database.rows(
            "DELETE FROM message WHERE queue = ? AND owner IS NULL RETURNING id", queue
        )
        return len(gone)

    def _return(self, which: str, values: dict[str, object]) -> None:
        with self.database.transaction() as connection:
            self._park(
                f"{which} AND {_OVER_LIMIT}",
                values | {"default": DEFAULT_DELIVERY_LIMIT},
                TOO_MANY_DELIVERIES,
            )
            freed = connection.execute(
                f"UPDATE message SET owner = NULL WHERE {which} RETURNING queue",  # noqa: S608 - `which` is ours
                values,
            ).fetchall()
            self.routing.ring({row["queue"] for row in freed})

    def _park(self, which: str, values: dict[str, object], reason: str) -> None:
        values = values | {"reason": reason, "now": time.time()}
        connection = self.database.connection
        connection.execute(
            f"""INSERT INTO parked (queue, reason, deliveries, sent_at, parked_at, priority, body)
                SELECT queue, :reason, deliveries, sent_at, :now, priority, body
                FROM message WHERE {which}""",  # noqa: S608 - `which` is ours
            values,
        )
        connection.execute(f"DELETE FROM message WHERE {which}", values)  # noqa: S608 - ours too

    @staticmethod
    def _held(tag: str) -> tuple[int, int, str]:
        message_id, _, deliveries = tag.partition(".")
        return int(message_id), int(deliveries), this_process()
