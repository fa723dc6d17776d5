"""E-mail, Slack, webhooks and whatever else Apprise knows, with a firm time-out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import ClassVar

import apprise

from services.notification.engines.addresses import (
    check_host,
    check_kind,
    held,
    scheme_of,
    shown,
    without_secrets,
)
from services.notification.engines.port import Notice
from services.notification.errors import AddressUnusable, NotDelivered
from shared.errors import ActverseError

# Both write whole addresses, tokens included; what is worth knowing is in our own sentence.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("urllib3").setLevel(logging.WARNING)

MOST_LEFT = 200  # threads of one process that wait for servers which we no longer wait for


class AppriseNotifier:
    """One Apprise URL.

    The message goes out in a thread of its own: sockets have time-outs, but a server that sends a
    byte now and then outlives them all. Such a thread is left behind and ends with the process;
    when there are too many of them, nothing is sent until some have ended.
    """

    schemes: ClassVar[frozenset[str] | None] = None  # None: every kind that Apprise knows
    _left: ClassVar[set[threading.Thread]] = set()

    def __init__(
        self, url: str, *, timeout_s: float = 10.0, allow: Sequence[str] | None = None
    ) -> None:
        self._url = url.strip()
        self._shown = shown(self._url)
        self._timeout_s = timeout_s
        self._allow = allow
        if self.schemes is not None and scheme_of(self._url) not in self.schemes:
            expected = " or ".join(f"{scheme}://" for scheme in sorted(self.schemes))
            raise AddressUnusable(self._shown, f"it does not begin with {expected}")
        if allow is not None:
            check_kind(self._url)
        self._service()

    def send(self, message: Notice) -> None:
        """Deliver, or raise within the time-out."""
        outcome: list[ActverseError | None] = []
        self._left.difference_update([t for t in tuple(self._left) if not t.is_alive()])
        if len(self._left) >= MOST_LEFT:
            raise NotDelivered(self._shown, "too many servers keep our connections open for ever")
        thread = threading.Thread(
            target=lambda: outcome.append(self._attempt(message)), daemon=True, name="notification"
        )
        thread.start()
        thread.join(self._timeout_s)
        if not outcome:
            self._left.add(thread)
            raise self._no_answer()
        if outcome[0] is not None:
            raise outcome[0]

    def _service(self) -> apprise.NotifyBase:
        """A fresh sender: Apprise's own remember when they sent last, and wait."""
        asset = apprise.AppriseAsset(
            app_id="Actverse",
            app_desc="Actverse",
            app_url="",
            storage_mode=apprise.PersistentStoreMode.MEMORY,
            # both: in this thread, which is held to its addresses. Apprise's own few threads would
            # be taken by those who do not answer, and everybody else would wait for one
            async_mode=False,
            service_timeout=0,
        )
        try:
            service = apprise.Apprise.instantiate(self._url, asset=asset)
        except Exception as error:  # noqa: BLE001 - plugins raise whatever they like
            raise AddressUnusable(self._shown, type(error).__name__) from None
        if not service:
            raise AddressUnusable(self._shown, "it is not complete, or its kind is not known")
        service.socket_connect_timeout = service.socket_read_timeout = self._timeout_s
        return service

    def _attempt(self, message: Notice) -> ActverseError | None:
        """Why the message was not delivered; None when it was."""
        begun = time.monotonic()
        try:
            failed = self._deliver(self._service(), message)
            # a socket may notice the silence before `send` does; what it says of that says less
            late = time.monotonic() - begun >= self._timeout_s
            return self._no_answer() if late and isinstance(failed, NotDelivered) else failed
        except ActverseError as error:
            return error
        except Exception as error:  # noqa: BLE001 - plugins raise whatever they like
            return NotDelivered(self._shown, type(error).__name__)

    def _no_answer(self) -> NotDelivered:
        return NotDelivered(self._shown, f"no answer within {self._timeout_s:g} seconds")

    def _deliver(self, service: apprise.NotifyBase, message: Notice) -> ActverseError | None:
        if self._allow is None:
            return self._notify(service, message)
        host = getattr(service, "smtp_host", None) or service.host
        check_host(self._url, host, service.port, self._allow)
        service.redirects = False  # a redirect would lead past the check
        with held(self._url, host, self._allow) as guard:
            failed = self._notify(service, message)
        return guard.refused if failed and guard and guard.refused else failed

    def _notify(self, service: apprise.NotifyBase, message: Notice) -> ActverseError | None:
        sender = apprise.Apprise()
        sender.add(service)
        result = sender.notify(
            body=message.body,
            title=message.title,
            notify_type=apprise.NotifyType(message.mood.value),
            body_format=apprise.NotifyFormat.TEXT,
            log_level=logging.WARNING,
        )
        return None if result else NotDelivered(self._shown, self._why(result))

    def _why(self, result: apprise.AppriseResult) -> str:
        said = [str(entry.message) for entry in result.logs()]
        last = said[-1].strip().rstrip(".") if said else "the other side refused it"
        return without_secrets(" ".join(last.split()), self._url)[:300]


class EmailNotifier(AppriseNotifier):
    """Mail over SMTP: `mailto://` (STARTTLS or plain), `mailtos://`."""

    schemes = frozenset({"mailto", "mailtos"})


class SlackNotifier(AppriseNotifier):
    """A Slack webhook or bot: `slack://`."""

    schemes = frozenset({"slack"})
