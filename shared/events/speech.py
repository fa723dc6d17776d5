"""Lines that learners say after actors: asked for, compared, answered."""

from __future__ import annotations

from typing import Literal

from shared.events.base import DomainEvent

Subject = Literal["token", "script"]
"""What a recording is compared with: an actor's quote, or a text of marked words."""


class AudioAnalysisRequested(DomainEvent, name="EVENT_AUDIO_ANALYSIS_REQUESTED"):
    """A learner's recording is stored; compare it with the actor's take, word by word."""

    subject: Subject
    subject_id: str
    recording_key: str  # in the storage
    recording_sha256: str


class AudioAnalysisCompleted(DomainEvent, name="EVENT_AUDIO_ANALYSIS_COMPLETED"):
    """The comparison is stored; speech that could not be recognised is a completed one too."""

    subject: Subject
    subject_id: str
    recognition: str  # RecognitionStatus of the result
    pron_score: float | None = None  # 0..100; None where nothing was recognised
    cached: bool = False  # the same recording was compared with the same reference before


class RemoteAnalysisRequested(DomainEvent, name="EVENT_REMOTE_ANALYSIS_REQUESTED"):
    """The same, by an analysis server elsewhere."""

    subject: Subject
    subject_id: str
    recording_key: str
    recording_sha256: str


class RemoteAnalysisAccepted(DomainEvent, name="EVENT_REMOTE_ANALYSIS_ACCEPTED"):
    """The server has the addresses of the audio and of our webhook, and works."""

    server: str


class RemoteAnalysisCompleted(DomainEvent, name="EVENT_REMOTE_ANALYSIS_COMPLETED"):
    """The server's answer came to the webhook and is stored."""

    recognition: str
    pron_score: float | None = None


class SpeechReferenceRequested(DomainEvent, name="EVENT_SPEECH_REFERENCE_REQUESTED"):
    """An actor's audio is new, or the version of the features is: compute them."""

    subject: Subject
    subject_id: str
    audio_sha256: str


class SpeechReferencePrepared(DomainEvent, name="EVENT_SPEECH_REFERENCE_PREPARED"):
    """Words, times and features of the actor's take are stored."""

    feature_version: str
    words: int


class AnalysisServiceRequested(DomainEvent, name="EVENT_ANALYSIS_SERVICE_REQUESTED"):
    """Another mesh asks this one to compare audio at addresses, and to call it back."""

    subject: Subject
    audio_url: str
    reference_url: str
    text: str
    webhook_url: str
    webhook_secret: str  # signs the answer; of this analysis alone


class AnalysisServiceCompleted(DomainEvent, name="EVENT_ANALYSIS_SERVICE_COMPLETED"):
    """The caller's webhook has taken the answer."""

    recognition: str
