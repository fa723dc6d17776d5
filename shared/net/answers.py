"""How answers of servers that are not ours are read."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

LATER = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Beside 5xx: the same request may be taken later."""
LONGEST_WAIT_S = 3600.0
MAX_SAID = 500  # characters of an answer that are repeated


def words_of(content: bytes) -> str:
    """The beginning of what a server said, in one line of printable characters."""
    words = " ".join(content[: 4 * MAX_SAID].decode("utf-8", "replace").split())
    return "".join(sign for sign in words if sign.isprintable())[:MAX_SAID]


def retry_after_s(response: httpx.Response) -> float | None:
    """The server's wish in seconds, of which RFC 9110 allows a number or a date."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT_S)
    try:
        wait = parsedate_to_datetime(value) - dt.datetime.now(dt.UTC)
    except (ValueError, TypeError):
        return None
    return min(max(wait.total_seconds(), 0.0), LONGEST_WAIT_S)
