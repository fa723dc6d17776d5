"""Files and clocks: what is kept comes back, and all machines agree what time it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from sqlalchemy import text

from deploy.cli.doctor.database import not_made
from deploy.cli.doctor.finding import Finding, fine, wrong
from shared.platform import Platform
from shared.redaction import without_secrets

CONTENT = b"round trip"
AMAZON = "https://s3.amazonaws.com"
MOST_APART_S = 5.0
SYNCHRONISE = "timedatectl set-ntp true  (on the machine that is wrong)"


def round_trip(platform: Platform) -> Iterator[Finding]:
    """Keep a small file, read it back, remove it."""
    key = f"interim/doctor-{uuid4().hex}/probe.txt"
    begun = time.monotonic()
    path = platform.storage.local(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    try:
        platform.storage.keep(key)
        with platform.storage.open(key) as file:
            back = file.read()
    finally:
        platform.storage.delete(key.rsplit("/", 1)[0])
    where = without_secrets(platform.settings.storage_url)
    if back != CONTENT:
        yield wrong("storage", f"{where} gave back something else", "look at the server's log")
    else:
        yield fine("storage", f"{where}: kept, read, removed in {time.monotonic() - begun:.2f} s")


def clocks(platform: Platform) -> Iterator[Finding]:
    """How far this machine is from the database's and from the storage's.

    Leases are compared across machines, and S3 refuses signatures of another time.
    """
    apart: dict[str, float] = {}
    if platform.engine.dialect.name != "sqlite" and not not_made(platform):
        with platform.engine.connect() as connection:
            before = time.time()
            theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            apart["database"] = theirs.timestamp() - (before + time.time()) / 2
    if (storage := _storage_time(platform.settings.storage_url)) is not None:
        apart["storage"] = storage
    if not apart:
        yield fine("clock", "everything is on this machine")
    for server, ahead_s in apart.items():
        # to what a header tells: whole seconds
        text_ = f"the {server} is {abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}"
        if abs(ahead_s) > MOST_APART_S:
            yield wrong("clock", text_, SYNCHRONISE)
        else:
            yield fine("clock", text_)


def _storage_time(url: str) -> float | None:
    """Seconds that the S3 server is ahead, by the Date of an answer; None where there is none."""
    import httpx

    parts = urlsplit(url)
    if parts.scheme != "s3":
        return None
    endpoint = parse_qs(parts.query).get("endpoint", [AMAZON])[-1]
    before = time.time()
    try:
        answer = httpx.head(endpoint, timeout=5.0)
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None  # the round trip tells whether the storage is there
    middle = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    return (theirs - middle).total_seconds() + 0.5  # the header is cut to a second
