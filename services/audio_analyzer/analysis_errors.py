"""What can be wrong with a comparison before it begins."""

from __future__ import annotations

from typing import ClassVar

from shared.errors import Conflict, NotFound, Retryable
from shared.events.speech import Subject
from shared.messages import Sentence
from shared.web.received import UploadTooLarge


class NoAnalysis(NotFound):
    """No such comparison, or not the caller's, or not under this path."""

    def __init__(self, job_id: str) -> None:
        super().__init__(Sentence("error.no_analysis", job_id=job_id))


class NotReadyToCompare(Conflict):
    """A line that has no take, or whose take cannot be used; `state` says which."""

    def __init__(self, subject: Subject, line_id: str, state: str) -> None:
        super().__init__(Sentence(f"error.line_{state.lower()}", subject=subject, line_id=line_id))


class TakeNotPrepared(Retryable):
    """The features of the take are being computed at this moment."""

    def __init__(self, subject: Subject, line_id: str) -> None:
        super().__init__(Sentence("error.line_preparing", subject=subject, line_id=line_id))


class RecordingTooLarge(UploadTooLarge):
    """A recording of more bytes than two minutes of speech need."""

    sentence: ClassVar[str] = "error.recording_too_large"
