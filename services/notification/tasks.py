"""Tells people what happened: one message an address, sent once, never in the way of the work."""

from __future__ import annotations

import hashlib
from typing import Any

import structlog

from services.notification import repository
from services.notification.engines.table import engine_for, notifier
from services.notification.news import news_of
from services.notification.templates import render
from shared.errors import ActverseError, Retryable
from shared.flow.work import Backoff, reaction
from shared.platform import Platform

log = structlog.get_logger()


@reaction(retry=Backoff(times=6, first_s=2, most_s=300))
def deliver(event: dict[str, Any], platform: Platform) -> None:
    """Send the news of one event to every address that wants it.

    May run twice: an address that has got the message is left out. One address that fails does not
    keep the others waiting; it is tried again later.
    """
    with platform.reads() as session:
        reader = repository.reader(session, event["task_id"])
    news = news_of(event, reader.context) if reader else None
    if reader is None or news is None or not news.wanted_by(reader.steps):
        return
    message = render(news.kind, reader.language, task_id=event["task_id"], **news.fields)
    settings = platform.settings
    own = bool(reader.urls)
    later: Retryable | None = None
    for url in reader.urls or settings.notify.urls or ("log:",):
        address = hashlib.sha256(url.encode()).hexdigest()[:32]
        with platform.reads() as session:
            if repository.was_sent(session, event["event_id"], address):
                continue
        try:
            notifier(
                engine_for(url),
                url,
                timeout_s=settings.notify.timeout_s,
                allow=settings.network.allow if own else None,
            ).send(message)
        except Retryable as error:
            later = error
            continue
        except ActverseError as error:  # an address that can never work
            log.warning("notification.refused", error=str(error), task_id=event["task_id"])
        with platform.sessions.begin() as session:
            repository.mark_sent(session, event["event_id"], address)
    if later is not None:
        raise later
