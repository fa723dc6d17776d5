"""The outbox: an event is a row of the transaction that decided it, sent once that commits.

The process that commits sends at once; the relay sends what a process could not (it died, or the
broker was away). Both may send the same row; consumers drop the second by their inbox.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import Celery
from kombu import Exchange
from kombu.exceptions import OperationalError
from sqlalchemy import event as sa_event
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from shared.db.models import Incoming, Outgoing, now
from shared.events.base import DomainEvent

LONGEST_WAIT_S = 300.0
EVENTS = Exchange("actverse.events", type="topic", durable=True)
log = structlog.get_logger()


class OutboxBus:
    """The event bus of every wiring; the broker below is whatever the Celery app speaks to."""

    def __init__(self, celery: Celery, sessions: sessionmaker[Session]) -> None:
        self._celery = celery
        self._sessions = sessions

    def publish(self, event: DomainEvent, session: Session) -> None:
        """Store `event` with the transaction; send it right after the commit."""
        session.add(
            Outgoing(
                event_id=event.event_id,
                name=event.name,
                task_id=event.task_id,
                body=event.model_dump(mode="json"),
            )
        )
        if "events_to_relay" not in session.info:
            sa_event.listen(session, "after_commit", self._after_commit)
        session.info["events_to_relay"] = True

    def _after_commit(self, session: Session) -> None:
        # a savepoint's end is announced too; the outer transaction holds the lock still
        if session.in_nested_transaction() or not session.info["events_to_relay"]:
            return
        session.info["events_to_relay"] = False
        try:
            self.relay()
        except (OperationalError, OSError) as error:  # the relay process will send them
            log.warning("bus.relay.postponed", error=str(error))

    def relay(self, limit: int = 500) -> int:
        """Send up to `limit` rows in order; a row that cannot be sent keeps its error and waits."""
        with self._sessions() as session:
            rows = session.execute(
                select(Outgoing.id, Outgoing.name, Outgoing.body)
                .where(Outgoing.published_at.is_(None), Outgoing.due_at <= now())
                .order_by(Outgoing.id)
                .limit(limit)
            ).all()
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
        with self._sessions.begin() as session:
            if sent:
                session.execute(
                    update(Outgoing).where(Outgoing.id.in_(sent)).values(published_at=now())
                )
            for row_id, error in failed.items():
                row = session.get_one(Outgoing, row_id)
                wait_s = min(2.0**row.tries, LONGEST_WAIT_S)
                row.tries, row.error = row.tries + 1, error
                row.due_at = now() + timedelta(seconds=wait_s)
                log.warning(
                    "bus.relay.failed", name=row.name, error=error, again_in_s=round(wait_s)
                )


def first_time(session: Session, consumer: str, event_id: str) -> bool:
    """Record that `consumer` handles `event_id`; False when it already has.

    Runs in the transaction of the effect: either both are stored or none.
    """
    if session.get(Incoming, (consumer, event_id)) is not None:
        return False
    session.add(Incoming(consumer=consumer, event_id=event_id))
    return True
