"""The errors of Actverse; each knows its HTTP status and writes its own sentence.

    ActverseError                 500
    +-- Terminal                  500   trying again cannot help
    |   +-- BadInput              400   the caller sent something unusable
    |   |   +-- Invalid           422   well-formed, but a value is out of range
    |   |   +-- MediaRejected     415   the file is not what it claims to be
    |   |   +-- TooLarge          413   over a limit of the settings
    |   +-- Unauthorised          401
    |   +-- Forbidden             403
    |   +-- NotFound              404
    |   +-- Conflict              409   the present state does not allow it
    |   +-- Cancelled             409   the user cancelled the task
    |   +-- OutOfSpace            507   the disk is full
    +-- Retryable                 503   the same call may succeed later
        +-- Unavailable           503   a server that we need does not answer
        +-- TooManyRequests       429   the caller should come back later

Work that runs in a service raises these too: a `Retryable` is tried again with back-off, anything
else ends the step. A message says what is wrong, where, and what the reader can do; given as a
`Sentence` of `shared/messages.py`, it says so in the language of whoever asks.
"""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import ClassVar

from shared.messages import Sentence, spoken


class ActverseError(Exception):
    """Base of all errors that carry a sentence for the user."""

    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def code(self) -> str:
        """The stable name that programs may test, for example ``MediaRejected``."""
        return type(self).__name__

    def told(self, language: str) -> str:
        """The sentence in `language`, where it is one of the table; else as it was written."""
        return str(spoken(self.args[0], language)) if len(self.args) == 1 else str(self)


class Terminal(ActverseError):
    """Trying the same again cannot help."""


class Retryable(ActverseError):
    """The same call may succeed later; `retry_after_s` is a hint, in seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(Retryable):
    """A server that we need does not answer."""


class TooManyRequests(Retryable):
    """The caller should come back later; `retry_after_s` says when."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class BadInput(Terminal):
    """The caller sent something unusable."""

    status = HTTPStatus.BAD_REQUEST


class Invalid(BadInput):
    """Well-formed, but a value is out of range."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MediaRejected(BadInput):
    """The file is not what it claims to be, or cannot be decoded."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TooLarge(BadInput):
    """Over a limit of the settings."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Unauthorised(Terminal):
    """No key, or a key that we do not know."""

    status = HTTPStatus.UNAUTHORIZED


class Forbidden(Terminal):
    """Known, but not allowed."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Terminal):
    """No such thing, or not the caller's."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Terminal):
    """The present state does not allow it."""

    status = HTTPStatus.CONFLICT


class Cancelled(Terminal):
    """The user cancelled the task; work stops at the next frame, epoch or chunk."""

    status = HTTPStatus.CONFLICT


class OutOfSpace(Terminal):
    """The disk is full; freeing space and a retry of the step continue the task."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def explained(error: BaseException) -> ActverseError:
    """`error` as one of ours: unchanged if it is, else with a sentence that names its cause."""
    if isinstance(error, ActverseError):
        return error
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        written = error.filename2 or error.filename  # a copy names its source first
        if written:
            return OutOfSpace(Sentence("error.disk_full_at", path=written))
        return OutOfSpace(Sentence("error.disk_full"))
    return Terminal(f"{type(error).__name__}: {error}")
