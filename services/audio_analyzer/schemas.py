"""What travels between the tasks of the audio analyzer."""

from __future__ import annotations

from shared.events.speech import Subject
from shared.flow.work import Job


class ReferenceJob(Job):
    """An actor's take on its way to words, times and features."""

    subject: Subject
    subject_id: str
    audio_sha256: str
    feature_version: str = ""
    words: int = 0
