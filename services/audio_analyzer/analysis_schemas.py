"""What goes in and out of comparisons."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.events.speech import Subject
from shared.flow.work import Job

ID = "6f1e0a52-3c1d-4f0e-9a43-0e5f0d8f3a11"
JOB_ID = "73732cad-5149-44d4-a954-e9c4781635c3"
RESULT = {
    "RecognitionStatus": "Success",
    "NBest": [{"PronunciationAssessment": {"PronScore": 87.4, "AccuracyScore": 91.0}}],
    "Feedback": [
        {"code": "pitch_flat", "word": None, "severity": "hint", "fields": {}, "text": "..."}
    ],
}
Status = Literal["processing", "completed", "failed"]


class AnalysisJob(Job):
    """A stored recording on its way to a stored comparison."""

    subject: Subject
    subject_id: str
    recording_key: str
    recording_sha256: str
    features_key: str = ""  # of the take, in the storage
    cache_key: str = ""
    result_key: str = ""  # of the comparison as the scorer gave it
    recognition: str = ""
    pron_score: float | None = None
    cached: bool = False


class Processing(BaseModel):
    """The recording is stored and will be compared; follow it by `job_id`."""

    message: str = Field(examples=["The recording is stored; it is compared in the background."])
    job_id: str = Field(examples=[JOB_ID])
    status: Literal["processing"] = "processing"


class AnalysisView(BaseModel):
    """How far a comparison is, and its result once it is completed."""

    status: Status = Field(examples=["completed"])
    progress: int = Field(
        examples=[100], description="40 stored, 70 asked for, 90 waiting for the result, 100 over"
    )
    result: dict[str, Any] | None = Field(
        examples=[RESULT], description="A superset of Azure's pronunciation assessment"
    )
    message: str = Field(
        examples=["The comparison is complete."],
        description="In the language of Accept-Language; why it failed where it did",
    )


class TokenAnalysis(AnalysisView):
    """Of a quote."""

    token_id: str = Field(examples=[ID])


class ScriptAnalysis(AnalysisView):
    """Of a script."""

    script_id: str = Field(examples=[ID])
