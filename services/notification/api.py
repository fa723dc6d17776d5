"""News and webhooks of the caller: where they go, whether they arrive, what was sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.notification import repository, trials
from services.notification.errors import Disabled, NoAddresses
from services.notification.schemas import (
    AddressView,
    DeliveryPage,
    DeliveryView,
    NewWebhook,
    NotificationView,
    NotificationWish,
    TrialView,
    WebhookList,
    WebhookMade,
    WebhookView,
)
from shared.db.operation_models import Webhook, WebhookDelivery
from shared.net.address import spoken
from shared.net.guard import check_reachable
from shared.net.signed_calls import new_secret
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses
from shared.web.paging import BadCursor

router = APIRouter()
PENDING = "PENDING"


# --- news for people ------------------------------------------------------------------------------


@router.get("/notifications", tags=["notifications"])
def notifications(platform: InPlatform, caller: InCaller) -> NotificationView:
    """Your addresses, without their secrets, the steps that they hear about, your language."""
    with platform.reads() as session:
        return _settings(*repository.settings_of(session, caller.user_id))


@router.put("/notifications", tags=["notifications"], responses=responses(403, 404))
def set_notifications(
    platform: InPlatform, caller: InCaller, wish: NotificationWish
) -> NotificationView:
    """Replace them. An address that is there already can be kept by its id."""
    with platform.reads() as session:
        _, there = repository.settings_of(session, caller.user_id)
    addresses = [trials.address(platform.settings, w, there) for w in wish.addresses()]
    with platform.sessions.begin() as session:
        repository.set_settings(session, caller.user_id, wish.language, addresses)
        return _settings(*repository.settings_of(session, caller.user_id))


@router.post("/notifications/test", tags=["notifications"], responses=responses(409))
def test_notifications(platform: InPlatform, caller: InCaller) -> list[TrialView]:
    """Send a test message to each of your addresses, and say what came of it."""
    with platform.reads() as session:
        language, addresses = repository.settings_of(session, caller.user_id)
    if not addresses:
        raise NoAddresses
    return trials.messages(platform.settings, addresses, language)


def _settings(language: str, addresses: tuple[repository.Address, ...]) -> NotificationView:
    return NotificationView.model_validate(
        {
            "language": language,
            "urls": [
                AddressView(id=a.digest, url=trials.shown(a.url), steps=sorted(a.steps))
                for a in addresses
            ],
        }
    )


# --- webhooks for programs ------------------------------------------------------------------------


@router.post("/webhooks", status_code=201, tags=["webhooks"], responses=responses(403, 404, 409))
def add_webhook(platform: InPlatform, caller: InCaller, wish: NewWebhook) -> WebhookMade:
    """Have an address called about events of your tasks. The secret is shown this once."""
    url, secret = check_reachable(wish.url, platform.settings.network.allow), new_secret()
    with platform.sessions.begin() as session:
        made = repository.add_webhook(session, caller.user_id, url, secret, wish.events)
        return WebhookMade(**_webhook(made).model_dump(), secret=secret)


@router.get("/webhooks", tags=["webhooks"])
def list_webhooks(platform: InPlatform, caller: InCaller) -> WebhookList:
    """Your webhooks, oldest first."""
    with platform.reads() as session:
        found = repository.webhooks_of(session, caller.user_id)
    return WebhookList(items=[_webhook(w) for w in found])


@router.delete(
    "/webhooks/{webhook_id}", status_code=204, tags=["webhooks"], responses=responses(404)
)
def delete_webhook(platform: InPlatform, caller: InCaller, webhook_id: str) -> Response:
    """Call it no more, and forget its log."""
    with platform.sessions.begin() as session:
        session.delete(repository.own_webhook(session, caller.user_id, webhook_id))
    return Response(status_code=204)


@router.get("/webhooks/{webhook_id}/deliveries", tags=["webhooks"], responses=responses(404))
def list_deliveries(
    platform: InPlatform,
    caller: InCaller,
    webhook_id: str,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DeliveryPage:
    """What was sent, what is still tried, what was given up: newest first."""
    with platform.reads() as session:
        webhook = repository.own_webhook(session, caller.user_id, webhook_id)
        before = _position(cursor) if cursor is not None else None
        found = repository.log_of(session, webhook, before=before, limit=limit)
    following = str(found[-1].id) if len(found) == limit else None
    return DeliveryPage(items=[_delivery(d) for d in found], next=following)


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    tags=["webhooks"],
    responses=responses(404, 409),
)
def redeliver(
    platform: InPlatform, caller: InCaller, webhook_id: str, delivery_id: int
) -> DeliveryView:
    """Send it again within seconds, with the same id, and with all its tries before it."""
    with platform.sessions.begin() as session:
        webhook = repository.own_webhook(session, caller.user_id, webhook_id)
        delivery = repository.own_delivery(session, webhook, delivery_id)
        if webhook.disabled_at is not None:
            raise Disabled(webhook.id)
        repository.deliver_again(delivery)
        return _delivery(delivery)


@router.post("/webhooks/{webhook_id}/test", tags=["webhooks"], responses=responses(404, 409))
def test_webhook(platform: InPlatform, caller: InCaller, webhook_id: str) -> DeliveryView:
    """Call it now, once, with an event of no meaning, and say what came of it."""
    with platform.reads() as session:
        webhook = repository.own_webhook(session, caller.user_id, webhook_id)
    if webhook.disabled_at is not None:
        raise Disabled(webhook.id)
    return _delivery(trials.call(platform, webhook))


def _webhook(webhook: Webhook) -> WebhookView:
    return WebhookView(
        id=webhook.id,
        url=spoken(webhook.url),
        events=webhook.events,
        created_at=webhook.created_at,
        disabled_at=webhook.disabled_at,
    )


def _delivery(row: WebhookDelivery) -> DeliveryView:
    return DeliveryView.model_validate(
        {
            "id": row.id,
            "event": row.name,
            "event_id": row.event_id,
            "task_id": row.task_id,
            "state": row.state,
            "tries": row.tries,
            "status": row.status,
            "error": row.error,
            "created_at": row.created_at,
            "next_try_at": row.due_at if row.state == PENDING else None,
            "delivered_at": row.delivered_at,
        }
    )


def _position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise BadCursor
    return int(cursor)
