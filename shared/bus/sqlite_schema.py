"""The tables of the broker file. Times are seconds since 1970, by the wall clock."""

from __future__ import annotations

SCHEMA_VERSION = 1

SCHEMA = (
    "CREATE TABLE exchange (name TEXT PRIMARY KEY, type TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE binding (
        exchange TEXT NOT NULL, routing_key TEXT NOT NULL, queue TEXT NOT NULL,
        PRIMARY KEY (exchange, routing_key, queue)) WITHOUT ROWID""",
    "CREATE INDEX binding_of_queue ON binding (queue)",
    # used_at: when a consumer was last seen or the queue declared; for queues that expire.
    """CREATE TABLE queue (
        name TEXT PRIMARY KEY, delivery_limit INTEGER, message_ttl_s REAL,
        expires_s REAL, auto_delete INTEGER NOT NULL, used_at REAL NOT NULL) WITHOUT ROWID""",
    # One row per consuming connection and queue; `bell` names the pipe that wakes it.
    """CREATE TABLE listener (
        queue TEXT NOT NULL, bell TEXT NOT NULL, owner TEXT NOT NULL,
        PRIMARY KEY (queue, bell)) WITHOUT ROWID""",
    # deliveries counts claims; owner is the process that holds the message now, NULL while it waits.
    """CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, priority INTEGER NOT NULL,
        due_at REAL NOT NULL, expires_at REAL, sent_at REAL NOT NULL,
        deliveries INTEGER NOT NULL DEFAULT 0, owner TEXT, body TEXT NOT NULL)""",
    "CREATE INDEX message_next ON message (queue, priority DESC, id) WHERE owner IS NULL",
    "CREATE INDEX message_due ON message (queue, due_at) WHERE owner IS NULL",
    "CREATE INDEX message_held ON message (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX message_expiry ON message (expires_at) WHERE expires_at IS NOT NULL",
    """CREATE TABLE parked (
        id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, reason TEXT NOT NULL,
        deliveries INTEGER NOT NULL, sent_at REAL NOT NULL, parked_at REAL NOT NULL,
        priority INTEGER NOT NULL, body TEXT NOT NULL)""",
    "CREATE TABLE result (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL) WITHOUT ROWID",
    "CREATE INDEX result_expiry ON result (expires_at) WHERE expires_at IS NOT NULL",
    # size is NULL until the whole header is sent; outcome: NULL while parts are missing.
    """CREATE TABLE chord (
        group_id TEXT PRIMARY KEY, size INTEGER, outcome TEXT, expires_at REAL) WITHOUT ROWID""",
    """CREATE TABLE chord_part (
        group_id TEXT NOT NULL, task_id TEXT NOT NULL, position INTEGER,
        state TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (group_id, task_id)) WITHOUT ROWID""",
)
