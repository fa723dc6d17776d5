"""Files fetched from, and answers sent to, addresses that callers name: guarded, bounded in size and time."""

from __future__ import annotations

from pathlib import Path

import httpx

from services.audio_analyzer.remote_errors import (
    FetchedTooLarge,
    FetchPostponed,
    NothingFetched,
    WebhookBusy,
    WebhookRefused,
)
from shared.net.address import spoken
from shared.net.answers import LATER, retry_after_s
from shared.net.guard import explained_http, guarded_client
from shared.net.signed_calls import signed_headers
from shared.settings import Settings
from shared.storage.disk import replacing

MIB = 1024**2


def _client(settings: Settings) -> httpx.Client:
    total_s = settings.speech.fetch_s
    stall_s = min(settings.network.stall_s, total_s)
    return guarded_client(settings.network.allow, timeout_s=stall_s, total_s=total_s)


def fetch(url: str, target: Path, settings: Settings) -> None:
    """Write what lies at `url` to `target`, whole or not at all.

    Raises what `guarded_client` does, and `FetchedTooLarge`, `NothingFetched`, `FetchPostponed`.
    """
    try:
        with (
            _client(settings) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            _check(response, spoken(url))
            _write(response, target, settings.speech.max_recording_bytes, spoken(url))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise explained_http(error, url) from error


def _check(response: httpx.Response, where: str) -> None:
    status = response.status_code
    if status in LATER or response.is_server_error:
        raise FetchPostponed(where, status, retry_after_s(response))
    if status != httpx.codes.OK:
        raise NothingFetched(where, status)


def _write(response: httpx.Response, target: Path, most: int, where: str) -> None:
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise FetchedTooLarge(where, most // MIB)
    written = 0
    with replacing(target) as temporary, temporary.open("wb") as file:
        for chunk in response.iter_raw():  # what it says of itself is not believed
            written += len(chunk)
            if written > most:
                raise FetchedTooLarge(where, most // MIB)
            file.write(chunk)


def call(url: str, secret: str, call_id: str, body: bytes, settings: Settings) -> None:
    """Post `body`, signed; redirects are not followed, or the answer would go elsewhere.

    Raises what `guarded_client` does, and `WebhookBusy`, `WebhookRefused`.
    """
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    headers |= signed_headers(secret, call_id, body)
    try:
        with (
            _client(settings) as client,
            client.stream(
                "POST", url, content=body, headers=headers, follow_redirects=False
            ) as response,
        ):
            status, wait_s = response.status_code, retry_after_s(response)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise explained_http(error, url) from error
    if status in LATER or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise WebhookBusy(spoken(url), status, wait_s)
    if not httpx.codes.is_success(status):
        raise WebhookRefused(spoken(url), status)
