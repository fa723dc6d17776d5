"""Celery's results and chords in the broker file.

A chord here is a set of task ids in a table, so a header task that runs twice after a kill counts
once. The last part and the message that starts the callback are one transaction when broker and
results share the file: the callback is sent once, never lost and never doubled. A task's own result
and its part in the chord are one transaction too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from celery import states
from celery.backends.base import KeyValueStoreBackend
from celery.canvas import maybe_signature
from celery.exceptions import ChordError
from celery.result import GroupResult, allow_join_result
from celery.utils.functional import _regen
from celery.utils.log import get_logger

from shared.bus.sqlite_database import BrokerUrl, Database

log = get_logger(__name__)

TIDY_EVERY_S = 600.0
SENT, FAILED = "sent", "failed"


class SqliteResults(KeyValueStoreBackend):
    """The result backend for `actverse+sqlite:///path`; results live `result_expires`, a day."""

    supports_autoexpire = True
    supports_native_join = True
    persistent = True

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app, url=url, **kwargs)
        location = BrokerUrl.parse(url or "")
        self._database = Database(location.path, location.synchronous)
        self._tidy_at = time.monotonic()

    def get(self, key: bytes | str) -> bytes | None:
        """The value of `key`, unless it expired."""
        return self.mget([key])[0]

    def mget(self, keys: Sequence[bytes | str]) -> list[bytes | None]:
        """The values of `keys`, in their order."""
        values: list[bytes | None] = []
        for key in keys:
            rows = self._database.rows(
                "SELECT value FROM result WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)",
                _text(key),
                time.time(),
            )
            values.append(rows[0]["value"] if rows else None)
        return values

    def set(self, key: bytes | str, value: bytes | str) -> None:
        """Store `value`, to expire after `result_expires`."""
        self._database.rows(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?)", _text(key), value, self._expiry()
        )
        self._tidy()

    def delete(self, key: bytes | str) -> None:
        """Forget `key`."""
        self._database.rows("DELETE FROM result WHERE key = ?", _text(key))

    def cleanup(self) -> None:
        """Drop what expired: results, and chords with their parts."""
        now = time.time()
        with self._database.transaction():
            self._database.rows("DELETE FROM result WHERE expires_at <= ?", now)
            self._database.rows(
                "DELETE FROM chord_part WHERE group_id IN (SELECT group_id FROM chord WHERE expires_at <= ?)",
                now,
            )
            self._database.rows("DELETE FROM chord WHERE expires_at <= ?", now)

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        **kwargs: Any,
    ) -> None:
        """Store a result and its part in a chord together: a kill in between would lose the chord."""
        unwanted = not store_result or bool(request and request.ignore_result)
        if unwanted and not (request and request.chord):
            return  # nothing to store: the lock of the file would be taken for it
        with self._database.transaction():
            super().mark_as_done(task_id, result, request, store_result, **kwargs)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """All header tasks are on their way; a chord that failed may be run anew."""
        with self._database.transaction():
            if self._outcome(group_id) == FAILED:
                self._database.rows("DELETE FROM chord_part WHERE group_id = ?", group_id)
                self._database.rows("DELETE FROM chord WHERE group_id = ?", group_id)
            self._database.rows(
                """INSERT INTO chord (group_id, size, expires_at) VALUES (?, ?, ?)
                   ON CONFLICT (group_id) DO UPDATE SET size = excluded.size""",
                group_id,
                chord_size,
                self._expiry(),
            )

    def add_to_chord(self, chord_id: str, result: Any) -> None:
        """A header task grew the chord by one."""
        del result
        self._database.rows("UPDATE chord SET size = size + 1 WHERE group_id = ?", chord_id)

    def apply_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        """Keep the shape of a header that holds groups; plain headers need nothing."""
        del body, kwargs
        if isinstance(header_result_args[1], _regen):  # a lazy header, whose tasks are plain
            return
        header = self.app.GroupResult(*header_result_args)
        if any(isinstance(part, GroupResult) for part in header.results):
            header.save(backend=self)

    def on_chord_part_return(self, request: Any, state: str, result: Any, **kwargs: Any) -> None:
        """Note one part; with the last one start the callback, or fail the chord.

        Runs twice when the task does; the second time finds its part noted and the outcome set.
        """
        del kwargs
        group_id = request.group
        if not group_id or not request.id:
            return
        with self._database.transaction():
            self._note(request, state, self.encode(self.encode_result(result, state)))
            parts = self._all_parts(group_id)
            if parts is None:
                return
            callback = maybe_signature(request.chord, app=self.app)
            error = self._part_error(parts) or self._start(group_id, callback, parts)
            if error is None:
                self._decide(group_id, SENT)
            else:
                # Errbacks may run here and take long: not inside the transaction.
                self._database.after_commit(lambda: self._fail(group_id, callback, error))

    def _note(self, request: Any, state: str, value: bytes | str) -> None:
        self._database.rows(
            "INSERT OR IGNORE INTO chord (group_id, expires_at) VALUES (?, ?)",
            request.group,
            self._expiry(),
        )
        self._database.rows(
            """INSERT INTO chord_part VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (group_id, task_id) DO UPDATE SET state = excluded.state, value = excluded.value
               WHERE state != 'SUCCESS'""",
            request.group,
            request.id,
            request.group_index,
            state,
            value,
        )

    def _all_parts(self, group_id: str) -> list[Any] | None:
        """The parts in header order, or None while some are missing or the chord is decided."""
        chord = self._database.rows("SELECT * FROM chord WHERE group_id = ?", group_id)[0]
        parts = self._database.rows(
            "SELECT * FROM chord_part WHERE group_id = ? ORDER BY position IS NULL, position, task_id",
            group_id,
        )
        complete = chord["size"] is not None and len(parts) >= chord["size"]
        return parts if complete and chord["outcome"] is None else None

    def _values(self, group_id: str, parts: list[Any]) -> list[Any]:
        nested = GroupResult.restore(group_id, backend=self)
        if nested is None:
            return [self.decode(part["value"]) for part in parts]
        nested.on_ready()
        with allow_join_result():
            return list(nested.join_native(timeout=self.app.conf.result_chord_join_timeout))

    def _part_error(self, parts: list[Any]) -> ChordError | None:
        """The chord's error, with that of its first failed part as the cause."""
        for part in parts:
            if part["state"] in states.PROPAGATE_STATES:
                cause = self.exception_to_python(self.decode(part["value"]))
                return _chord_error(f"Dependency {part['task_id']} raised {cause!r}", cause)
        return None

    def _start(self, group_id: str, callback: Any, parts: list[Any]) -> ChordError | None:
        """Send the callback, all of its messages or none; an error that repeating cannot mend is returned."""
        try:
            with self._database.transaction():
                self.app.amqp._retry_publish(callback.delay, self._values(group_id, parts))  # noqa: SLF001 - as Celery's own backends do
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - it becomes the chord's error
            return _chord_error(f"Callback error: {error!r}", error)
        return None

    def _fail(self, group_id: str, callback: Any, error: ChordError) -> None:
        log.error("Chord %s failed: %s", group_id, error)
        try:
            raise error  # Celery reads the traceback of the exception that is being handled
        except ChordError:
            self.chord_error_from_stack(callback, error)
        self._decide(group_id, FAILED)

    def _decide(self, group_id: str, outcome: str) -> None:
        self._database.rows("UPDATE chord SET outcome = ? WHERE group_id = ?", outcome, group_id)

    def _outcome(self, group_id: str) -> str | None:
        rows = self._database.rows("SELECT outcome FROM chord WHERE group_id = ?", group_id)
        return rows[0]["outcome"] if rows else None

    def _expiry(self) -> float | None:
        return time.time() + float(self.expires) if self.expires else None

    def _tidy(self) -> None:
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_EVERY_S
            self.cleanup()

    def __reduce__(self, args: Any = (), kwargs: Any = None) -> Any:
        return super().__reduce__(args, dict(kwargs or {}, url=self.url))


def _chord_error(sentence: str, cause: object) -> ChordError:
    error = ChordError(sentence)
    if isinstance(cause, Exception):
        error.__cause__ = cause
    return error


def _text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key
