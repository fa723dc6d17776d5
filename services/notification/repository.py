"""Every query of notification about people and their webhooks; `deliveries` has those on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.notification.errors import TooManyWebhooks
from shared.db.base import now
from shared.db.models import Task, User
from shared.db.operation_models import Webhook, WebhookDelivery
from shared.errors import NotFound
from shared.setting_groups.watching import NotifySettings

MOST_WEBHOOKS = 20  # of one user


@dataclass(frozen=True)
class Address:
    """One Apprise URL, and which steps its reader wants to hear about."""

    url: str
    steps: frozenset[str] = frozenset()
    own: bool = True  # of a user; False: the operator wrote it into the settings

    @property
    def digest(self) -> str:
        """By which it is told from others without saying its secrets."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Reader:
    """Who is told about a task, where, and about what."""

    user_id: str
    language: str
    addresses: tuple[Address, ...]
    context: dict[str, Any]


def addresses_of(user: User) -> tuple[Address, ...]:
    """What a user has stored: plain URLs, or URLs with the steps that they are for."""
    return tuple(
        Address(stored)
        if isinstance(stored, str)
        else Address(stored["url"], frozenset(stored.get("steps") or ()))
        for stored in user.notify_urls
    )


def reader(session: Session, task_id: str, settings: NotifySettings) -> Reader | None:
    """The reader of a task's news.

    Addresses that the task names come before those of the user, and those before the operator's;
    where there is none, the log hears it. Steps that the task names count for all of them.
    """
    task = session.get(Task, task_id)
    user = session.get(User, task.user_id) if task else None
    if task is None or user is None:
        return None
    wish = task.options.get("notify") or {}
    steps = frozenset(wish.get("steps") or ())
    if wish.get("urls"):
        found = tuple(Address(url) for url in wish["urls"])
    else:
        found = addresses_of(user) or tuple(
            Address(url, own=False) for url in settings.urls or ("log:",)
        )
    addresses = tuple(Address(a.url, a.steps | steps, a.own) for a in dict.fromkeys(found))
    return Reader(user.id, user.language, addresses, task.context)


def settings_of(session: Session, user_id: str) -> tuple[str, tuple[Address, ...]]:
    """The language and the addresses of a user."""
    user = session.get_one(User, user_id)
    return user.language, addresses_of(user)


def set_settings(
    session: Session, user_id: str, language: str, addresses: Sequence[Address]
) -> None:
    """Replace them."""
    user = session.get_one(User, user_id)
    user.language = language
    user.notify_urls = [{"url": a.url, "steps": sorted(a.steps)} for a in addresses]


# --- webhooks -------------------------------------------------------------------------------------


def add_webhook(
    session: Session, user_id: str, url: str, secret: str, events: Sequence[str]
) -> Webhook:
    """A webhook of the user; `events` empty means all."""
    there = session.scalar(
        select(func.count()).select_from(Webhook).where(Webhook.user_id == user_id)
    )
    if (there or 0) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(MOST_WEBHOOKS)
    webhook = Webhook(user_id=user_id, url=url, secret=secret, events=sorted(set(events)))
    session.add(webhook)
    session.flush()
    return webhook


def webhooks_of(session: Session, user_id: str) -> list[Webhook]:
    """Those of a user, oldest first."""
    query = select(Webhook).where(Webhook.user_id == user_id)
    return list(session.scalars(query.order_by(Webhook.created_at, Webhook.id)))


def webhooks_for(session: Session, user_id: str, event: str) -> list[Webhook]:
    """Those that are to be called about an event of one of the user's tasks."""
    query = select(Webhook).where(Webhook.user_id == user_id, Webhook.disabled_at.is_(None))
    return [w for w in session.scalars(query) if not w.events or event in w.events]


def own_webhook(session: Session, user_id: str, webhook_id: str) -> Webhook:
    """The webhook, if it is the user's; else the same 404 as for one that does not exist."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or webhook.user_id != user_id:
        raise NotFound(f"There is no webhook {webhook_id}; GET /webhooks lists yours.")
    return webhook


def log_of(
    session: Session, webhook: Webhook, *, before: int | None, limit: int
) -> list[WebhookDelivery]:
    """The newest deliveries of a webhook, those before the id `before`."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    return list(session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)))


def own_delivery(session: Session, webhook: Webhook, delivery_id: int) -> WebhookDelivery:
    """One delivery of the webhook."""
    delivery = session.get(WebhookDelivery, delivery_id)
    if delivery is None or delivery.webhook_id != webhook.id:
        raise NotFound(
            f"Webhook {webhook.id} has no delivery {delivery_id}; those of the last 30 days are kept."
        )
    return delivery


def deliver_again(delivery: WebhookDelivery) -> None:
    """Due now, with all its tries before it; the event keeps its id."""
    delivery.state, delivery.tries = "PENDING", 0
    delivery.due_at, delivery.delivered_at = now(), None
