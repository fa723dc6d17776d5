"""What is to be sent, to whom and when: rows that are taken one by one, and settled.

A row is due at `due_at`. Who takes it moves that moment a little into the future, so that a sender
that dies leaves it to the next one; nothing is held in memory or in the broker.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from services.notification import repository
from services.notification.news import news_of
from shared.bus.outbox import first_time
from shared.db.base import now
from shared.db.operation_models import NoticeDelivery, Webhook, WebhookDelivery
from shared.errors import Unavailable
from shared.platform import Platform
from shared.telemetry.table import NEWS

Delivery = WebhookDelivery | NoticeDelivery
PENDING, DELIVERED, FAILED = "PENDING", "DELIVERED", "FAILED"
KEEP = timedelta(days=30)
AT_ONCE = 500  # receivers looked at in one round
MAX_ERROR = 600  # characters


@dataclass(frozen=True)
class Schedule:
    """How often something is sent, and how long apart; jitter keeps receivers from a stampede."""

    tries: int
    first_s: float
    factor: float
    most_s: float

    def delay_s(self, tried: int, hint_s: float | None = None) -> float:
        """Seconds after try number `tried` (from 1); a server's Retry-After can only lengthen it."""
        planned = min(self.first_s * self.factor ** (tried - 1), self.most_s)
        return max(planned * random.uniform(0.8, 1.2), min(hint_s or 0.0, self.most_s))


WEBHOOKS = Schedule(tries=14, first_s=5, factor=3, most_s=4 * 3600)  # the last one after a day
NOTICES = Schedule(tries=10, first_s=5, factor=3, most_s=3600)  # after four hours


@dataclass(frozen=True)
class Receiver:
    """Where messages go one after the other: a webhook, or an address of a user."""

    kind: type[WebhookDelivery | NoticeDelivery]
    key: str
    user_id: str


@dataclass(frozen=True)
class Outcome:
    """What came of one try."""

    delivered: bool
    error: str | None = None
    status: int | None = None  # of the answer, where there was one
    final: bool = False  # no other try can help
    gone: bool = False  # the receiver wants no more of this
    retry_after_s: float | None = None


# --- in ---


def record(platform: Platform, event: dict[str, Any]) -> int:
    """Store what is to be sent about an event (name and body); how many messages that makes.

    Doing so twice has one effect. Raises `Unavailable` while the database is away.
    """
    try:
        return _record(platform, event)
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(f"The database does not answer ({type(error.orig).__name__}).") from error


def _record(platform: Platform, event: dict[str, Any]) -> int:
    with platform.reads() as session:
        reader = repository.reader(session, event["task_id"], platform.settings.notify)
        if reader is None:
            return 0
        hooks = repository.webhooks_for(session, reader.user_id, event["name"])
        hook_ids = [webhook.id for webhook in hooks]
    news = news_of(event, reader.context)
    wanted = [a for a in reader.addresses if news is not None and news.wanted_by(a.steps)]
    if not wanted and not hook_ids:
        return 0
    same = {"event_id": event["event_id"], "name": event["name"], "task_id": event["task_id"]}
    with platform.sessions.begin() as session:
        if not first_time(session, "notification", event["event_id"]):
            return 0
        # one by key: a webhook that was deleted a moment ago must not keep the others from hearing
        there = session.scalars(select(Webhook.id).where(Webhook.id.in_(hook_ids))).all()
        session.add_all(
            WebhookDelivery(webhook_id=i, body=told(event, platform), **same) for i in there
        )
        session.add_all(
            NoticeDelivery(user_id=reader.user_id, address=a.digest, body=event, **same)
            for a in wanted
        )
    return len(there) + len(wanted)


def status_url(platform: Platform, task_id: str) -> str | None:
    """Where people look at the task; None where nobody said how the gateway is reached."""
    root = platform.settings.gateway.public_url.rstrip("/")
    return f"{root}/status/{task_id}" if root else None


def told(event: dict[str, Any], platform: Platform) -> dict[str, Any]:
    """An event as webhooks get it: type, moment, data."""
    envelope = {"name", "event_id", "occurred_at", "schema_version", "traceparent"}
    data = {key: value for key, value in event.items() if key not in envelope}
    link = status_url(platform, event["task_id"]) if event["task_id"] else None
    return {
        "type": event["name"],
        "timestamp": event["occurred_at"],
        "data": data | ({"status_url": link} if link else {}),
    }


# --- out ---


def due(session: Session) -> list[Receiver]:
    """Every receiver for whom something is due."""
    moment = now()
    hooks = session.execute(
        select(WebhookDelivery.webhook_id, Webhook.user_id)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(WebhookDelivery.state == PENDING, WebhookDelivery.due_at <= moment)
        .distinct()
        .limit(AT_ONCE)
    ).all()
    people = session.execute(
        select(NoticeDelivery.address, NoticeDelivery.user_id)
        .where(NoticeDelivery.state == PENDING, NoticeDelivery.due_at <= moment)
        .distinct()
        .limit(AT_ONCE)
    ).all()
    found = [Receiver(WebhookDelivery, key, user_id) for key, user_id in hooks]
    return found + [Receiver(NoticeDelivery, key, user_id) for key, user_id in people]


def take(session: Session, receiver: Receiver, lease_s: float) -> Delivery | None:
    """The next one for the receiver, which nobody else gets for `lease_s`; None when none is due."""
    kind = receiver.kind
    query = select(kind).where(kind.state == PENDING, kind.due_at <= now())
    if kind is WebhookDelivery:
        query = query.where(WebhookDelivery.webhook_id == receiver.key)
    else:
        query = query.where(
            NoticeDelivery.address == receiver.key, NoticeDelivery.user_id == receiver.user_id
        )
    query = query.order_by(kind.due_at, kind.id).limit(1).with_for_update(skip_locked=True)
    row: Delivery | None = session.scalars(query).first()
    if row is not None:
        row.tries += 1
        row.status = row.error = None  # of the try before
        row.due_at = now() + timedelta(seconds=lease_s)
    return row


def settle(session: Session, sent: Delivery, outcome: Outcome, *, last: bool = False) -> None:
    """Write down what came of it: done, another try later, or given up (at once if it is `last`)."""
    row = session.get(type(sent), sent.id, with_for_update=True)
    if row is None or row.state != PENDING:  # forgotten, or given up by somebody else meanwhile
        return
    row.status = outcome.status
    row.error = outcome.error[:MAX_ERROR] if outcome.error else None
    schedule = WEBHOOKS if isinstance(row, WebhookDelivery) else NOTICES
    if outcome.delivered:
        row.state, row.delivered_at = DELIVERED, now()
    elif last or outcome.final or row.tries >= schedule.tries:
        row.state = FAILED
    else:
        delay_s = schedule.delay_s(row.tries, outcome.retry_after_s)
        row.due_at = now() + timedelta(seconds=delay_s)
    kind = "webhook" if isinstance(row, WebhookDelivery) else "notice"
    NEWS.add(kind, "retried" if row.state == PENDING else row.state.lower())
    if outcome.gone and isinstance(row, WebhookDelivery):
        disable(session, row.webhook_id)


def disable(session: Session, webhook_id: str) -> None:
    """The receiver said that it is gone: nothing more is sent there."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None:
        return
    webhook.disabled_at = webhook.disabled_at or now()
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.state == PENDING)
        .values(state=FAILED, error="The receiver said that it is gone (410).")
    )


def forget_old(session: Session) -> None:
    """Delete what was settled long ago."""
    for kind in (WebhookDelivery, NoticeDelivery):
        for state in (DELIVERED, FAILED):
            session.execute(delete(kind).where(kind.state == state, kind.due_at < now() - KEEP))
