"""The notifiers by name; each is imported when it is first used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from services.notification.engines.port import Notifier
from services.notification.errors import UnknownNotifier

ENGINES = {
    "log": "services.notification.engines.log:LogNotifier",
    "email": "services.notification.engines.apprise_notifier:EmailNotifier",
    "slack": "services.notification.engines.apprise_notifier:SlackNotifier",
    "apprise": "services.notification.engines.apprise_notifier:AppriseNotifier",
}
BY_SCHEME = {"log": "log", "mailto": "email", "mailtos": "email", "slack": "slack"}


def engine_for(url: str) -> str:
    """The name of the notifier that an address belongs to: `log:` is the log itself."""
    return BY_SCHEME.get(url.partition(":")[0].strip().lower(), "apprise")


def notifier(
    name: str, url: str = "log:", *, timeout_s: float = 10.0, allow: Sequence[str] | None = None
) -> Notifier:
    """The notifier `name` for one address.

    `timeout_s`: longest time of one `send`. `allow`: None for an address that the operator wrote
    into the settings; for an address of a user the hosts and networks that may be reached although
    they are private (`settings.network.allow`): then only kinds of addresses whose destination can
    be checked are taken, and private destinations are refused.
    Raises `AddressUnusable` for an address that can never work.
    """
    if name not in ENGINES:
        raise UnknownNotifier(name, ENGINES)
    module, _, attribute = ENGINES[name].partition(":")
    made: Notifier = getattr(import_module(module), attribute)(
        url, timeout_s=timeout_s, allow=allow
    )
    return made
