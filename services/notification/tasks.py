"""Tells people and their programs what happened, and is never in the way of the work."""

from __future__ import annotations

from typing import Any

from services.notification import deliveries
from services.notification.sender import sender
from shared.flow.work import Backoff, periodic, reaction
from shared.platform import Platform


@reaction(retry=Backoff(times=20, first_s=2, most_s=300))
def deliver(event: dict[str, Any], platform: Platform) -> None:
    """Store who is to hear of an event, and begin to tell them; waits for nobody.

    May run twice: the inbox says whether it was stored before.
    """
    if deliveries.record(platform, event):
        sender(platform).kick()


@periodic
def send_due(platform: Platform) -> None:
    """Send what is due for another try, or was left by a process that died.

    May run twice at once: a message is taken by one of them.
    """
    sender(platform).kick()


@periodic
def forget_old(platform: Platform) -> None:
    """Forget what was sent, or given up, more than 30 days ago."""
    with platform.sessions.begin() as session:
        deliveries.forget_old(session)
