"""The outbox: an event is a row of the transaction that decided it, sent once that commits.

The process that commits sends its own rows at once. They are kept for it for a moment (`due_at`);
what it could not send by then, because it died or the broker was away, the relay sends. Now and
then both send the same row; consumers drop the second by their inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from celery import Celery
from kombu import Exchange
from kombu.exceptions import OperationalError
from sqlalchemy import bindparam, select, update
from sqlalchemy import event as sa_event
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from shared.db.base import table
from shared.db.direct import Direct, Prepared, transaction
from shared.db.models import Incoming, Outgoing, now
from shared.events.base import DomainEvent

COMMITTER_FIRST = timedelta(seconds=1)  # sending takes milliseconds; the relay leaves it so long
LONGEST_WAIT_S = 300.0
EVENTS = Exchange("actverse.events", type="topic", durable=True)
log = structlog.get_logger()

Row = tuple[int, str, dict[str, Any]]  # id, name of the event, its body
_OWN = "events_to_send"  # in the `info` of a session
_OUTBOX, _INBOX = table(Outgoing), table(Incoming)
_STORE = Prepared(
    _OUTBOX.insert()
    .values(
        event_id=bindparam("event"),
        name=bindparam("named"),
        task_id=bindparam("task"),
        body=bindparam("content"),
        created_at=bindparam("at"),
        due_at=bindparam("due"),
        tries=0,
    )
    .returning(_OUTBOX.c.id)
)
_SENT = Prepared(
    update(_OUTBOX).where(_OUTBOX.c.id == bindparam("row")).values(published_at=bindparam("moment"))
)
_HANDLED = Prepared(
    select(_INBOX.c.at).where(
        _INBOX.c.consumer == bindparam("who"), _INBOX.c.event_id == bindparam("event")
    )
)
_HANDLE = Prepared(
    _INBOX.insert().values(
        consumer=bindparam("who"), event_id=bindparam("event"), at=bindparam("moment")
    )
)
_ROWS = select(Outgoing.id, Outgoing.name, Outgoing.body).order_by(Outgoing.id)


@dataclass
class _Own:
    """The rows that the present transaction of a session has stored."""

    rows: list[Row] = field(default_factory=list)
    certain: bool = True  # False: some went with a savepoint


class OutboxBus:
    """The event bus of every wiring; the broker below is whatever the Celery app speaks to."""

    def __init__(self, celery: Celery, sessions: sessionmaker[Session]) -> None:
        self._celery = celery
        self._sessions = sessions

    def publish(self, event: DomainEvent, session: Session) -> None:
        """Store `event` with the transaction; send it right after the commit."""
        body = event.model_dump(mode="json")
        at = now()
        stored = Direct(session.connection()).run(
            _STORE,
            event=event.event_id,
            named=event.name,
            task=event.task_id,
            content=body,
            at=at,
            due=at + COMMITTER_FIRST,
        )
        if _OWN not in session.info:
            session.info[_OWN] = _Own()
            sa_event.listen(session, "after_commit", self._after_commit)
            sa_event.listen(session, "after_soft_rollback", _after_rollback)
        session.info[_OWN].rows.append((stored.all[0].id, event.name, body))

    def _after_commit(self, session: Session) -> None:
        # a savepoint's end is announced too; the outer transaction holds the lock still
        if session.in_nested_transaction() or not session.info[_OWN].rows:
            return
        own, session.info[_OWN] = session.info[_OWN], _Own()
        try:
            rows = own.rows if own.certain else self._stored([row[0] for row in own.rows])
            # somebody waits for what is requested; facts are for whoever listens
            self._send(sorted(rows, key=lambda row: "_REQUESTED" not in row[1]))
        except (OperationalError, OSError) as error:  # the relay process will send them
            log.warning("bus.relay.postponed", error=str(error))

    def relay(self, limit: int = 500) -> int:
        """Send up to `limit` rows in order; a row that cannot be sent keeps its error and waits."""
        with self._sessions() as session:
            rows = session.execute(
                _ROWS.where(Outgoing.published_at.is_(None), Outgoing.due_at <= now()).limit(limit)
            ).all()
        return self._send([tuple(row) for row in rows])

    def _stored(self, ids: Sequence[int]) -> list[Row]:
        with self._sessions() as session:
            return [tuple(row) for row in session.execute(_ROWS.where(Outgoing.id.in_(ids)))]

    def _send(self, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        sent: list[int] = []
        failed: dict[int, str] = {}
        with self._celery.producer_or_acquire() as producer:
            for row_id, name, body in rows:
                try:
                    producer.publish(
                        body,
                        exchange=EVENTS,
                        routing_key=name,
                        headers={"event": name},
                        serializer="json",
                        mandatory=True,
                        retry=True,
                        retry_policy={"max_retries": 3, "interval_start": 0, "interval_step": 0.2},
                    )
                    sent.append(row_id)
                except Exception as error:  # noqa: BLE001 - kept in the row and reported
                    failed[row_id] = f"{type(error).__name__}: {error}"
        self._settle(sent, failed)
        return len(sent)

    def _settle(self, sent: list[int], failed: dict[int, str]) -> None:
        if sent:
            moment = now()
            with transaction(self._sessions.kw["bind"]) as direct:
                for row_id in sent:
                    direct.run(_SENT, row=row_id, moment=moment)
        if not failed:
            return
        with self._sessions.begin() as session:
            for row_id, error in failed.items():
                row = session.get_one(Outgoing, row_id)
                wait_s = min(2.0**row.tries, LONGEST_WAIT_S)
                row.tries, row.error = row.tries + 1, error
                row.due_at = now() + timedelta(seconds=wait_s)
                log.warning(
                    "bus.relay.failed", name=row.name, error=error, again_in_s=round(wait_s)
                )


def _after_rollback(session: Session, ended: SessionTransaction) -> None:
    if ended.nested:
        session.info[_OWN].certain = False
    else:
        session.info[_OWN] = _Own()


def first_time(session: Session | Direct, consumer: str, event_id: str) -> bool:
    """Record that `consumer` handles `event_id`; False when it already has.

    Runs in the transaction of the effect: either both are stored or none.
    """
    direct = session if isinstance(session, Direct) else Direct(session.connection())
    if direct.run(_HANDLED, who=consumer, event=event_id).first is not None:
        return False
    direct.run(_HANDLE, who=consumer, event=event_id, moment=now())
    return True
