"""Exchanges, bindings, queues and who listens: the broker's topology, in the file.

Because it lies in the file and not in a process, a publisher reaches queues that other processes
declared. A declaration that differs from an earlier one wins: a new limit needs no new queue.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from shared.bus import sqlite_bell
from shared.bus.sqlite_database import Database
from shared.process import alive, this_process


@dataclass(frozen=True)
class QueueTerms:
    """What a queue was declared with; None means no bound."""

    delivery_limit: int | None = None  # redeliveries after the first; below 0: no limit
    message_ttl_s: float | None = None
    expires_s: float | None = None  # the queue itself goes after so long without a consumer
    auto_delete: bool = False  # the queue goes with its last consumer


@lru_cache(maxsize=4096)
def _pattern(binding_key: str) -> re.Pattern[str]:
    # "#" stands for any number of words, with none it takes a dot away too.
    words = [
        {"*": r"[^.]+", "#": "#"}.get(word, re.escape(word)) for word in binding_key.split(".")
    ]
    text = r"\.".join(words)
    text = text.replace(r"#\.", r"(?:[^.]*\.)*").replace(r"\.#", r"(?:\.[^.]*)*").replace("#", ".*")
    return re.compile(text)


def matches(exchange_type: str, binding_key: str, routing_key: str) -> bool:
    """Whether an exchange of this type sends `routing_key` to a queue bound with `binding_key`."""
    if exchange_type == "fanout":
        return True
    if exchange_type == "topic":
        return _pattern(binding_key).fullmatch(routing_key) is not None
    return binding_key == routing_key


class Routing:
    """The topology in `database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declare_exchange(self, name: str, exchange_type: str) -> None:
        """Create the exchange, or leave it as it is."""
        known = self._database.rows("SELECT type FROM exchange WHERE name = ?", name)
        if not known or known[0]["type"] != exchange_type:
            self._database.rows(
                "INSERT OR REPLACE INTO exchange VALUES (?, ?)", name, exchange_type
            )

    def has_exchange(self, name: str) -> bool:
        """Whether it was declared."""
        return bool(self._database.rows("SELECT 1 FROM exchange WHERE name = ?", name))

    def delete_exchange(self, name: str) -> None:
        """Remove it with its bindings; the queues stay."""
        with self._database.transaction():
            self._database.rows("DELETE FROM binding WHERE exchange = ?", name)
            self._database.rows("DELETE FROM exchange WHERE name = ?", name)

    def declare_queue(self, name: str, terms: QueueTerms) -> None:
        """Create the queue, or give it these terms."""
        self._database.rows(
            """INSERT INTO queue (name, delivery_limit, message_ttl_s, expires_s, auto_delete, used_at)
               VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE SET delivery_limit = excluded.delivery_limit,
                 message_ttl_s = excluded.message_ttl_s, expires_s = excluded.expires_s,
                 auto_delete = excluded.auto_delete, used_at = excluded.used_at""",
            name,
            terms.delivery_limit,
            terms.message_ttl_s,
            terms.expires_s,
            terms.auto_delete,
            time.time(),
        )

    def has_queue(self, name: str) -> bool:
        """Whether it was declared."""
        return bool(self._database.rows("SELECT 1 FROM queue WHERE name = ?", name))

    def delete_queue(self, name: str) -> None:
        """Remove the queue, its bindings and its messages; parked messages stay."""
        with self._database.transaction():
            self._database.rows("DELETE FROM message WHERE queue = ?", name)
            self._database.rows("DELETE FROM binding WHERE queue = ?", name)
            self._database.rows("DELETE FROM listener WHERE queue = ?", name)
            self._database.rows("DELETE FROM queue WHERE name = ?", name)

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Let `queue` get what `exchange` sends under `routing_key`."""
        self._database.rows(
            "INSERT OR IGNORE INTO binding VALUES (?, ?, ?)", exchange, routing_key, queue
        )

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Undo `bind`."""
        self._database.rows(
            "DELETE FROM binding WHERE exchange = ? AND routing_key = ? AND queue = ?",
            exchange,
            routing_key,
            queue,
        )

    def bindings(self) -> list[tuple[str, str, str]]:
        """All of them, as (queue, exchange, routing key)."""
        return [
            (row["queue"], row["exchange"], row["routing_key"])
            for row in self._database.rows("SELECT * FROM binding")
        ]

    def route(self, exchange: str, routing_key: str) -> list[str]:
        """The queues that a message goes to, each once; the nameless exchange names its queue."""
        if not exchange:
            return [routing_key] if self.has_queue(routing_key) else []
        bound = self._database.rows(
            """SELECT exchange.type, binding.routing_key, binding.queue
               FROM exchange JOIN binding ON binding.exchange = exchange.name
               WHERE exchange.name = ?""",
            exchange,
        )
        return list(
            dict.fromkeys(
                row["queue"]
                for row in bound
                if matches(row["type"], row["routing_key"], routing_key)
            )
        )

    def listen(self, queue: str, bell: str) -> None:
        """Say that this process consumes `queue` and wakes up by `bell`."""
        self._database.rows(
            "INSERT OR REPLACE INTO listener VALUES (?, ?, ?)", queue, bell, this_process()
        )

    def stop_listening(self, queue: str, bell: str) -> None:
        """Undo `listen`; an auto-delete queue goes with its last listener."""
        with self._database.transaction():
            gone = self._database.rows(
                "DELETE FROM listener WHERE queue = ? AND bell = ? AND owner = ? RETURNING queue",
                queue,
                bell,
                this_process(),
            )
            self._left({row["queue"] for row in gone})

    def listeners(self, queue: str) -> int:
        """How many connections consume it, of processes that live."""
        rows = self._database.rows("SELECT owner FROM listener WHERE queue = ?", queue)
        return sum(alive(row["owner"]) for row in rows)

    def ring(self, queues: Iterable[str]) -> None:
        """Wake whoever consumes one of `queues`, once the present transaction has committed."""
        for queue in queues:
            for row in self._database.rows("SELECT bell FROM listener WHERE queue = ?", queue):
                self._database.after_commit(
                    partial(sqlite_bell.ring, self._database.path, row["bell"])
                )

    def forget_dead_listeners(self) -> None:
        """Drop the listeners of processes that died, and the queues that lived only for them."""
        rows = self._database.rows("SELECT DISTINCT owner FROM listener")
        for owner in [row["owner"] for row in rows if not alive(row["owner"])]:
            with self._database.transaction():
                gone = self._database.rows(
                    "DELETE FROM listener WHERE owner = ? RETURNING queue, bell", owner
                )
                self._left({row["queue"] for row in gone})
            for row in gone:
                sqlite_bell.remove(self._database.path, row["bell"])
        unused = self._database.rows(
            """SELECT name FROM queue WHERE used_at + expires_s < ?
               AND NOT EXISTS (SELECT 1 FROM listener WHERE queue = name)""",
            time.time(),
        )
        for row in unused:
            self.delete_queue(row["name"])

    def _left(self, queues: set[str]) -> None:
        for queue in queues:
            self._database.rows("UPDATE queue SET used_at = ? WHERE name = ?", time.time(), queue)
            lonely = self._database.rows(
                """SELECT 1 FROM queue WHERE name = ? AND auto_delete
                   AND NOT EXISTS (SELECT 1 FROM listener WHERE queue = name)""",
                queue,
            )
            if lonely:
                self.delete_queue(queue)
