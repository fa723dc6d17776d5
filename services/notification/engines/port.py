"""What a notifier can do, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Mood(StrEnum):
    """How a message is coloured where the receiver has colours; the words are Apprise's."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Notice:
    """One message, in the language of its reader; plain text."""

    title: str  # one line
    body: str
    mood: Mood = Mood.INFO


class Notifier(Protocol):
    """Sends to one address; several addresses are several notifiers, each tried again alone."""

    def send(self, message: Notice) -> None:
        """Hand the message over; it returns or raises within the notifier's time-out.

        Raises `NotDelivered` (retryable). A message that was handed over just before a worker died
        is sent again: readers may see it twice, never not at all.
        """
        ...
