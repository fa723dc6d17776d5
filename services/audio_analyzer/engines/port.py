"""What a scorer of speech must be able to do, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Recognition = Literal["Success", "NoMatch", "InitialSilenceTimeout", "BabbleTimeout"]
"""As Azure's RecognitionStatus: only `Success` carries scores."""


@dataclass(frozen=True)
class ReferenceWord:
    """A word of the actor's take; times in seconds from the start of the audio."""

    text: str
    start_s: float
    end_s: float
    mfcc: list[float]
    """Thirteen coefficients, averaged over the word (not normalised)."""
    features: dict[str, Any]
    """`gop` (nats a frame), `pitch_st` (median, semitones above 55 Hz; None where unvoiced), `energy_db`."""


@dataclass(frozen=True)
class Reference:
    """What is kept of an actor's take, so that it is looked at once."""

    feature_version: str
    text: str
    duration_s: float
    words: tuple[ReferenceWord, ...]
    document: dict[str, Any] = field(repr=False)
    """JSON that `score` needs: contours and frames of the take."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """A finished comparison.

    `result` is a superset of Azure's pronunciation assessment: `RecognitionStatus`, `Offset` and
    `Duration` (100 ns), `NBest[0].PronunciationAssessment` (0..100), `NBest[0].Words[]` with
    `ErrorType`, `Reference` and `Delta`, `Quality`, `Contours` and `Feedback[]` (`code`, `word`,
    `severity`, `fields`; sentences are said by the door in the reader's language).
    """

    recognition: Recognition
    result: dict[str, Any]

    @property
    def pron_score(self) -> float | None:
        """0..100; None where nothing was recognised."""
        best = self.result.get("NBest") or [{}]
        score = best[0].get("PronunciationAssessment", {}).get("PronScore")
        return None if score is None else float(score)


class SpeechScorer(Protocol):
    """Compares a recording with an actor's take of the same text.

    Errors: `UnreadableAudio` (undecodable, no audio, empty), `TooLongAudio`, `UnknownWords` (text
    outside the dictionary, names the words), `UnusableReference`; a crash of the engine is `Retryable`.
    """

    name: str
    feature_version: str
    """Changes with every change that makes kept features or scores incomparable."""

    def prepare_reference(self, audio: Path, text: str) -> Reference:
        """Align `text` with the take `audio` and keep what a comparison needs."""
        ...

    def score(self, reference: Reference, recording: Path) -> Score:
        """Compare `recording` with the take, word by word; never a number for noise."""
        ...
