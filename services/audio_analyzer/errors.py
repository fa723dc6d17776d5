"""What can go wrong with recordings and takes, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from shared.errors import (
    ActverseError,
    BadInput,
    Conflict,
    Invalid,
    MediaRejected,
    Retryable,
    TooLarge,
)
from shared.messages import Sentence


class Told(ActverseError):
    """Remembers what an error was made with, so that it can be made again in another process."""

    given: tuple[Any, ...]

    def __new__(cls, *given: Any) -> Self:  # noqa: D102 - as everywhere
        made = super().__new__(cls, *given)
        made.given = given
        return made


class UnreadableAudio(Told, Invalid):
    """The file cannot be decoded."""

    def __init__(self, name: str) -> None:
        super().__init__(Sentence("error.audio_unreadable", name=name))


class NoAudio(Told, Invalid):
    """The file can be read, and no stream of it is sound."""

    def __init__(self, name: str) -> None:
        super().__init__(Sentence("error.audio_none", name=name))


class EmptyAudio(Told, BadInput):
    """There is not one sample in the file."""

    def __init__(self, name: str) -> None:
        super().__init__(Sentence("error.audio_empty", name=name))


class VideoInsteadOfAudio(Told, MediaRejected):
    """The file has moving pictures."""

    def __init__(self, name: str) -> None:
        super().__init__(Sentence("error.audio_is_video", name=name))


class TooLongAudio(Told, TooLarge):
    """The recording is longer than is compared."""

    def __init__(self, longest_s: float) -> None:
        super().__init__(Sentence("error.audio_too_long", longest_s=round(longest_s)))


class UnknownWords(Told, Invalid):
    """Words of a text that the dictionary has no pronunciation for."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        super().__init__(Sentence("error.words_unknown", words=", ".join(self.words)))


class NoWords(Told, Invalid):
    """A text in which there is nothing to say."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.words_none"))


class UnusableReference(Told, Invalid):
    """An actor's take that nothing can be compared with."""


class SilentReference(UnusableReference):
    """There is no speech in it."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.reference_silent"))


class UnalignedReference(UnusableReference):
    """It does not say the text."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.reference_unaligned"))


class StaleReference(Conflict):
    """The kept features are of another version than the scorer's."""

    def __init__(self, kept: str, needed: str) -> None:
        super().__init__(Sentence("error.reference_stale", kept=kept, needed=needed))


class ScorerCrashed(Retryable):
    """The process that compares has died."""

    def __init__(self, why: str) -> None:
        super().__init__(Sentence("error.scorer_crashed", why=why))


class UnknownScorer(Invalid):
    """No engine of this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"There is no scorer of speech {name!r}. Choose one of: {', '.join(known)}."
        )
