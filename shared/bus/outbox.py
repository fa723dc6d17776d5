"""The outbox: an event is a row of the transaction that decided it, sent once that commits.

The process that commits sends its own rows at once. They are kept for it for a moment (`due_at`);
what it could not send by then, because it died or the broker was away, the relay sends. Now and
then both send the same row; consumers drop the second by their inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import structlog
from sqlalchemy import String, bindparam, exists, select, update
from sqlalchemy import event as sa_event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from shared.bus.port import Outbound, Sender
from shared.db.base import UtcDateTime, table
from shared.db.direct import Direct, reading, transaction
from shared.db.inserts import Inserts
from shared.db.lazy_commit import CommitLazily
from shared.db.models import Incoming, Outgoing, now
from shared.db.prepared import Prepared, Rows
from shared.events.base import DomainEvent
from shared.telemetry import tracing
from shared.telemetry.table import EVENTS_PUBLISHED, PUBLISH_FAILURES

COMMITTER_FIRST = timedelta(seconds=1)  # sending takes milliseconds; the relay leaves it so long
RELAY_FIRST = timedelta(seconds=15)  # other relays leave rows so long to the one that took them
LONGEST_WAIT_S = 30.0
log = structlog.get_logger()

Row = tuple[int, str, dict[str, Any]]  # id, name of the event, its body
_OWN = "events_to_send"  # in the `info` of a session
_OUTBOX, _INBOX = table(Outgoing), table(Incoming)
_COLUMNS = ("event_id", "name", "task_id", "body", "created_at", "due_at", "tries")
_WAITS = Prepared(
    select(_OUTBOX.c.id)
    .where(_OUTBOX.c.published_at.is_(None), _OUTBOX.c.due_at <= bindparam("moment"))
    .limit(1)
)
_SENT = Prepared(
    update(_OUTBOX)
    .where(_OUTBOX.c.id == bindparam("row"), CommitLazily())  # forgotten: it is sent once more
    .values(published_at=bindparam("moment"))
)
_WHO, _EVENT = bindparam("who", type_=String()), bindparam("event", type_=String())
_HANDLE = Prepared(
    _INBOX.insert().from_select(
        ["consumer", "event_id", "at"],
        select(_WHO, _EVENT, bindparam("moment", type_=UtcDateTime())).where(
            ~exists().where(_INBOX.c.consumer == _WHO, _INBOX.c.event_id == _EVENT)
        ),
        include_defaults=False,
    )
)
_NOTHING = Inserts()
_ROWS = select(Outgoing.id, Outgoing.name, Outgoing.body).order_by(Outgoing.id)


@dataclass
class _Own:
    """What the present transaction of a session has stored; nobody waits for it before the commit."""

    stored: list[tuple[Rows, dict[str, tuple[str, dict[str, Any]]]]] = field(default_factory=list)
    """Rows of the outbox, and by id of event its name and body."""
    certain: bool = True  # False: some went with a savepoint

    @property
    def rows(self) -> list[Row]:
        """What is to be sent."""
        return [(row.id, *named[row.event_id]) for rows, named in self.stored for row in rows.all]


class OutboxBus:
    """The event bus of every wiring; `sender` hands the events to whichever broker there is."""

    def __init__(self, sender: Sender, sessions: sessionmaker[Session]) -> None:
        self._sender = sender
        self._sessions = sessions
        self._at_once = True

    def leave_to_relay(self) -> None:
        """From now on this process only stores events; the relay, always looking, sends them.

        For a process that answers many callers at once: none of them waits for the broker.
        """
        self._at_once = False

    def publish(self, event: DomainEvent, session: Session) -> None:
        """Store `event` with the transaction; send it right after the commit."""
        self.publish_with(_NOTHING, {}, [event], session)

    def publish_all(self, events: Sequence[DomainEvent], session: Session) -> None:
        """The same for several events."""
        self.publish_with(_NOTHING, {}, events, session)

    def publish_with(
        self,
        beside: Inserts,
        values: dict[str, Any],
        events: Sequence[DomainEvent],
        session: Session,
    ) -> None:
        """Store `events` and what stands `beside` them; send them right after the commit."""
        direct, at = Direct(session.connection()), now()
        due = at + COMMITTER_FIRST if self._at_once else at
        bodies = [_body(event, session) for event in events]
        rows: dict[str, Any] = {}
        for number, (event, body) in enumerate(zip(events, bodies, strict=True)):
            told = (event.event_id, event.name, event.task_id, body, at, due, 0)
            rows.update(zip(_names(number), told, strict=True))
        stored = _storing(beside, len(events)).run(direct, {**values, **rows})
        if not self._at_once:
            return
        if _OWN not in session.info:
            session.info[_OWN] = _Own()
            sa_event.listen(session, "after_commit", self._after_commit)
            sa_event.listen(session, "after_soft_rollback", _after_rollback)
        named = {e.event_id: (e.name, body) for e, body in zip(events, bodies, strict=True)}
        session.info[_OWN].stored.append((stored, named))

    def _after_commit(self, session: Session) -> None:
        # a savepoint's end is announced too; the outer transaction holds the lock still
        if session.in_nested_transaction() or not session.info[_OWN].stored:
            return
        own, session.info[_OWN] = session.info[_OWN], _Own()
        try:
            rows = own.rows if own.certain else self._stored([row[0] for row in own.rows])
            # somebody waits for what is requested; facts are for whoever listens
            self._send(sorted(rows, key=lambda row: "_REQUESTED" not in row[1]))
        except DBAPIError as error:  # sent but not marked, or not even read: the relay sees to it
            log.warning("bus.relay.postponed", error=str(error))

    def relay(self, limit: int = 500) -> int:
        """Send up to `limit` rows in order; a row that cannot be sent keeps its error and waits."""
        with reading(self._sessions.kw["bind"]) as direct:  # asked often: takes no lock for nothing
            if direct.run(_WAITS, moment=now()).first is None:
                return 0
        unsent = _ROWS.where(Outgoing.published_at.is_(None), Outgoing.due_at <= now()).limit(limit)
        with self._sessions.begin() as session:
            # several relays share the rows: each takes what no other has in hand
            taken = session.execute(unsent.with_for_update(skip_locked=True)).all()
            rows: list[Row] = [tuple(row) for row in taken]
            if rows:
                soon = now() + RELAY_FIRST
                ids = [row[0] for row in rows]
                session.execute(update(Outgoing).where(Outgoing.id.in_(ids)).values(due_at=soon))
        return self._send(rows)

    def _stored(self, ids: Sequence[int]) -> list[Row]:
        with self._sessions() as session:
            return [tuple(row) for row in session.execute(_ROWS.where(Outgoing.id.in_(ids)))]

    def _send(self, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        with ExitStack() as spans:
            for _, name, body in rows if tracing.on() else ():
                if parent := body.get("traceparent"):
                    told = {"parent": parent, "task_id": body.get("task_id")}
                    spans.enter_context(tracing.span(f"publish {name}", "producer", **told))
            sent = self._sender.send([Outbound(*row) for row in rows])
        for row_id, name, _ in rows:
            (PUBLISH_FAILURES if row_id in sent.failed else EVENTS_PUBLISHED).add(name)
        self._settle(sent.rows, sent.failed)
        return len(sent.rows)

    def _settle(self, sent: Sequence[int], failed: dict[int, str]) -> None:
        if sent:
            moment = now()
            with transaction(self._sessions.kw["bind"]) as direct:
                direct.run_each(_SENT, [{"row": row_id, "moment": moment} for row_id in sent])
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


def _body(event: DomainEvent, session: Session) -> dict[str, Any]:
    body = event.model_dump(mode="json")
    if tracing.on():
        body["traceparent"] = event.traceparent or trace_of(session, event.task_id)
        tracing.note(task_id=event.task_id)
    return body


@cache
def _names(number: int) -> tuple[str, ...]:
    """The parameters of the event of that number."""
    return tuple(f"outbox_{column}_{number}" for column in _COLUMNS)


@cache
def _storing(beside: Inserts, count: int) -> Inserts:
    """Those beside, and `count` events."""
    rows = [
        {
            column: bindparam(name, type_=_OUTBOX.c[column].type)
            for column, name in zip(_COLUMNS, _names(number), strict=True)
        }
        for number in range(count)
    ]
    return beside.before(_OUTBOX.insert().values(rows).returning(_OUTBOX.c.id, _OUTBOX.c.event_id))


def _after_rollback(session: Session, ended: SessionTransaction) -> None:
    if ended.nested:
        session.info[_OWN].certain = False
    else:
        session.info[_OWN] = _Own()


def trace_of(session: Session, task_id: str) -> str | None:
    """Where the trace of a task goes on: from what runs now, else from the task's last event.

    Nothing runs when nobody asked: in a sweep, or when a labeling tool is looked at.
    """
    if not tracing.on():
        return None
    last = select(Outgoing.body["traceparent"].as_string()).where(Outgoing.task_id == task_id)
    return tracing.traceparent() or session.scalar(last.order_by(Outgoing.id.desc()).limit(1))


def handled(direct: Direct, consumer: str, event_id: str) -> Rows:
    """`first_time` for those who need not wait for the answer: a row, when it is the first time."""
    return direct.run(_HANDLE, who=consumer, event=event_id, moment=now())


def first_time(session: Session, consumer: str, event_id: str) -> bool:
    """Record that `consumer` handles `event_id`; False when it already has.

    Runs in the transaction of the effect: either both are stored or none.
    """
    return handled(Direct(session.connection()), consumer, event_id).count == 1
