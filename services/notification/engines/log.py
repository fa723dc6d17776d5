"""Messages in the log: what the embedded mesh does when nobody gave an address."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.notification.engines.port import Mood, Notice

log = structlog.get_logger()


class LogNotifier:
    """Never fails; the task's id comes from the log's context and from the title."""

    def __init__(
        self, url: str = "log:", *, timeout_s: float = 0.0, allow: Sequence[str] | None = None
    ) -> None:
        del url, timeout_s, allow

    def send(self, message: Notice) -> None:
        """One line, a warning when something failed."""
        write = log.warning if message.mood is Mood.FAILURE else log.info
        write("notification.sent", title=message.title, body=message.body, mood=message.mood.value)
