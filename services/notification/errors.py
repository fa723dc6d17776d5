"""What can go wrong while a message is delivered; no sentence repeats a credential."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import Invalid, Retryable


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
