"""Whether an address works: checked when it is given, tried when its owner asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from services.notification import deliveries
from services.notification.engines import addresses
from services.notification.errors import TrialsUnderWay, UnknownAddress
from services.notification.repository import Address
from services.notification.schemas import MOST_ADDRESSES, AddressWish, TrialView
from services.notification.sender import LEASE_S, attempt, notifier_of
from services.notification.templates import trial
from shared.db.base import now
from shared.db.operation_models import Webhook, WebhookDelivery
from shared.errors import ActverseError
from shared.platform import Platform
from shared.settings import Settings

TEST_EVENT = "EVENT_WEBHOOK_TEST"
AT_ONCE = 8
_room = threading.BoundedSemaphore(AT_ONCE)
shown = addresses.shown


@contextmanager
def _under_way(settings: Settings) -> Iterator[None]:
    """Within it, a few trials of all users: each may take a thread of the gateway for seconds."""
    if not _room.acquire(blocking=False):
        raise TrialsUnderWay(settings.notify.timeout_s)
    try:
        yield
    finally:
        _room.release()


def address(settings: Settings, wish: AddressWish, there: Sequence[Address]) -> Address:
    """What a user may be told at, from what the user wrote; raises what is wrong with it."""
    url = wish.url
    if url is None:
        kept = next((a for a in there if a.digest == wish.id), None)
        if kept is None:
            raise UnknownAddress(str(wish.id))
        url = kept.url
    found = Address(url.strip(), frozenset(wish.steps or ()))
    notifier_of(settings, found)
    return found


def messages(settings: Settings, found: Sequence[Address], language: str) -> list[TrialView]:
    """A test message to every address, side by side; each ends within the time-out."""
    with _under_way(settings), ThreadPoolExecutor(MOST_ADDRESSES) as threads:
        return list(threads.map(lambda a: _message(settings, a, language), found))


def _message(settings: Settings, to: Address, language: str) -> TrialView:
    error: str | None = None
    try:
        notifier_of(settings, to).send(trial(language, settings.gateway.public_url or None))
    except ActverseError as refused:
        error = str(refused)
    return TrialView(id=to.digest, url=shown(to.url), delivered=error is None, error=error)


def call(platform: Platform, webhook: Webhook) -> WebhookDelivery:
    """Call a webhook now; the call is in the log, and is not tried again."""
    with _under_way(platform.settings):
        return _called(platform, webhook)


def _called(platform: Platform, webhook: Webhook) -> WebhookDelivery:
    moment = now()
    event = {
        "name": TEST_EVENT,
        "event_id": uuid4().hex,
        "occurred_at": moment.isoformat(),
        "task_id": "",
        "user_id": webhook.user_id,
    }
    with platform.sessions.begin() as session:
        row = WebhookDelivery(
            webhook_id=webhook.id,
            event_id=event["event_id"],
            name=TEST_EVENT,
            task_id="",
            body=deliveries.told(event, platform),
            tries=1,
            due_at=moment + timedelta(seconds=platform.settings.notify.timeout_s + LEASE_S),
        )
        session.add(row)
    outcome = attempt(platform, row)
    with platform.sessions.begin() as session:
        deliveries.settle(session, row, outcome, last=True)
        return session.get(WebhookDelivery, row.id) or row
