"""One call of a webhook: signed as the Standard Webhooks specification has it, checked, bounded."""

from __future__ import annotations

import json
import ssl
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx

from services.notification.deliveries import Outcome
from shared.db.operation_models import Webhook, WebhookDelivery
from shared.errors import ActverseError
from shared.net.answers import words_of
from shared.net.guard import explained_http, guarded_client
from shared.net.signed_calls import signed_headers
from shared.platform import Platform
from shared.settings import Settings

MAX_READ_BYTES = 2048
MAX_RETRY_AFTER_DIGITS = 6


def headers(webhook: Webhook, event_id: str, body: bytes) -> dict[str, str]:
    """Those of the signature, and what the body is."""
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        **signed_headers(webhook.secret, event_id, body),
    }


def attempt(platform: Platform, delivery: WebhookDelivery) -> Outcome:
    """Call the webhook of a delivery once."""
    with platform.reads() as session:
        webhook = session.get(Webhook, delivery.webhook_id)
    if webhook is None or webhook.disabled_at is not None:
        return Outcome(delivered=False, final=True, error="The webhook was disabled.")
    try:
        return _called(platform.settings, webhook, delivery.event_id, delivery.body)
    except (httpx.HTTPError, httpx.InvalidURL, ActverseError) as error:
        return Outcome(delivered=False, error=str(explained_http(error, webhook.url)))


def _called(
    settings: Settings, webhook: Webhook, event_id: str, content: dict[str, Any]
) -> Outcome:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    timeout_s = settings.notify.timeout_s
    with (
        guarded_client(
            settings.network.allow,
            timeout_s=timeout_s,
            connect_timeout_s=timeout_s,
            total_s=timeout_s,
            context=_tls(),
        ) as client,
        client.stream(
            "POST",
            webhook.url,
            content=body,
            headers=headers(webhook, event_id, body),
            follow_redirects=False,
        ) as response,
    ):
        if response.is_success:  # whatever it has to say
            return Outcome(delivered=True, status=response.status_code)
        return Outcome(
            delivered=False,
            status=response.status_code,
            error=_said(response),
            final=response.status_code == HTTPStatus.GONE,
            gone=response.status_code == HTTPStatus.GONE,
            retry_after_s=_retry_after_s(response),
        )


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the system's certificates takes longer than a call."""
    return httpx.create_ssl_context()


def _said(response: httpx.Response) -> str:
    """The answer in short: its status, and the beginning of its words."""
    read = b""
    try:
        for chunk in response.iter_raw(MAX_READ_BYTES):
            read += chunk
            if len(read) >= MAX_READ_BYTES:
                break
    except httpx.HTTPError:  # the status has been said; the rest may be missing
        pass
    shown = words_of(read)
    if response.is_redirect:
        return f"Answered {response.status_code}; redirects are not followed. {shown}".strip()
    return f"Answered {response.status_code}. {shown}".strip()


def _retry_after_s(response: httpx.Response) -> float | None:
    """The receiver's wish, when it is a number of seconds."""
    wish = response.headers.get("retry-after", "")
    return float(wish) if wish.isdecimal() and len(wish) <= MAX_RETRY_AFTER_DIGITS else None
