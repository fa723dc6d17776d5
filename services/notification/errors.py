"""What can go wrong while a message is delivered; no sentence repeats a credential."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import Conflict, Invalid, Retryable, TooManyRequests
from shared.messages import Sentence


class UnknownNotifier(Invalid):
    """No such way to deliver messages."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no notifier {name!r}. Choose one of: {', '.join(known)}.")


class AddressUnusable(Invalid):
    """An address to which nothing can be sent, as it is written."""

    def __init__(self, shown: str, why: str) -> None:
        super().__init__(
            f"Messages cannot be sent to {shown}: {why}. Write it like "
            "mailtos://user:password@host?to=name@example.com, slack://tokenA/tokenB/tokenC/#channel "
            "or jsons://host/path."
        )


class NotDelivered(Retryable):
    """The other side did not take the message, or not in time."""

    def __init__(self, shown: str, why: str) -> None:
        super().__init__(f"The message to {shown} was not delivered: {why}. It is tried again.")


class TooManyWebhooks(Conflict):
    """A user has as many webhooks as a user may have."""

    def __init__(self, most: int) -> None:
        super().__init__(Sentence("error.too_many_webhooks", most=most))


class Disabled(Conflict):
    """A webhook whose receiver said that it is gone."""

    def __init__(self, webhook_id: str) -> None:
        super().__init__(
            f"Webhook {webhook_id} was disabled because its receiver answered 410 Gone. "
            "Make a new one with POST /webhooks."
        )


class NoAddresses(Conflict):
    """A test message was asked for by somebody without addresses."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.no_addresses"))


class UnknownAddress(Invalid):
    """An address was named by an id that none of the user's has."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"You have no address {digest!r}; GET /notifications lists yours. Give its url."
        )


class TrialsUnderWay(TooManyRequests):
    """So many addresses are being tried that the gateway would have no hands left."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "Other addresses are being tried just now. Ask again in a few seconds.",
            retry_after_s=retry_after_s,
        )
