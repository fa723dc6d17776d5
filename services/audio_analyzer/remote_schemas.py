"""What meshes tell each other about comparisons: requests, answers, and the jobs in between."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.audio_analyzer.analysis_schemas import RESULT
from services.audio_analyzer.catalogue_schemas import MAX_TEXT, TEXT, Spoken, Title
from services.audio_analyzer.engines.port import Recognition
from shared.events.speech import Subject
from shared.flow.work import Job
from shared.messages import Sentence
from shared.net.signed_calls import usable

MAX_URL = 4000  # characters; signed ones are long
MAX_WORDS = 500
MAX_FEEDBACK = 500
EXAMPLE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the standard's own example
SCORES = ("PronScore", "AccuracyScore", "FluencyScore", "ProsodyScore", "CompletenessScore")


class Unusable(ValueError):
    """A value that fits its type and still means nothing; the sentence says why."""


def _of_the_standard(secret: str) -> str:
    if not usable(secret):
        raise Unusable(Sentence("error.webhook_secret"))
    return secret


Url = Annotated[str, Field(max_length=MAX_URL, pattern=r"^https?://[^\s\"<>]+$")]
Secret = Annotated[str, Field(max_length=120), AfterValidator(_of_the_standard)]
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


# --- what is asked for ---


class Wanted(BaseModel):
    """What every comparison for another mesh needs."""

    job_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        examples=["73732cad-5149-44d4-a954-e9c4781635c3"],
        description="The caller's own name for it; the same one again is the same comparison",
    )
    audio_url: Url = Field(
        examples=["https://app.example/audio/1767225600-5f3a/inputs/7373/recording.wav"],
        description="Where the learner's recording is fetched",
    )
    reference_url: Url = Field(
        examples=["https://app.example/audio/1767225600-9c1b/catalogue/tokens/6f1e/take.wav"],
        description="Where the actor's take is fetched",
    )
    webhook_url: Url = Field(
        examples=["https://app.example/tokens/webhook/analysis-complete?job_id=73732cad"],
        description="Whom the result is sent to: `{status, result}` or `{status, message}`",
    )
    webhook_secret: Secret | None = Field(
        default=None,
        examples=[EXAMPLE_SECRET],
        description="Signs that call (Standard Webhooks); one is made and answered when left out",
    )


class VoiceWish(Wanted):
    """A recording of a line, to be compared with the actor's take."""

    text: Spoken = Field(examples=[TEXT], description="What is said in the take")


class WordWish(BaseModel):
    """A word of a script. Its times are taken as they are given and not needed: they are found."""

    text: Annotated[Title, Field(max_length=100)] = Field(examples=["frankly"])
    start_s: Seconds | None = Field(default=None, examples=[0.31], description="Seconds")
    end_s: Seconds | None = Field(default=None, examples=[0.84], description="Seconds")


class ScriptWish(Wanted):
    """The same of a script, whose text may come as words."""

    text: Spoken | None = Field(default=None, examples=[TEXT])
    words: list[WordWish] = Field(default=[], max_length=MAX_WORDS)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not 0 < len(self.said) <= MAX_TEXT:
            raise Unusable(Sentence("error.text_or_words", most=MAX_TEXT))
        return self

    @property
    def said(self) -> str:
        """The text, or its words in a row."""
        return self.text or " ".join(word.text for word in self.words).strip()


class ServiceAccepted(BaseModel):
    """The comparison was accepted; its result goes to the webhook."""

    job_id: str = Field(
        examples=["73732cad-5149-44d4-a954-e9c4781635c3"],
        description="The caller's own name for it, else the task here",
    )
    status: Literal["processing"] = "processing"
    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    status_url: str = Field(examples=["/status/0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    webhook_secret: str | None = Field(
        default=None, examples=[EXAMPLE_SECRET], description="When the caller gave none"
    )


# --- what is answered ---


class Assessment(BaseModel):
    """0..100 each."""

    model_config = ConfigDict(extra="allow")

    PronScore: float = Field(ge=0, le=100)
    AccuracyScore: float = Field(ge=0, le=100)
    FluencyScore: float = Field(ge=0, le=100)
    ProsodyScore: float = Field(ge=0, le=100)
    CompletenessScore: float = Field(ge=0, le=100)


class Best(BaseModel):
    """The comparison itself."""

    model_config = ConfigDict(extra="allow")

    PronunciationAssessment: Assessment | None = None


class Advice(BaseModel):
    """One piece of advice, as a code that readers get a sentence for."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(max_length=100)
    fields: dict[str, str | float | None] = Field(default_factory=dict)


class Result(BaseModel):
    """A superset of Azure's pronunciation assessment; what it has besides is kept as it is."""

    model_config = ConfigDict(extra="allow")

    RecognitionStatus: Recognition
    NBest: list[Best] = Field(default_factory=list, max_length=10)
    Feedback: list[Advice] = Field(default_factory=list, max_length=MAX_FEEDBACK)

    @model_validator(mode="after")
    def _scores_what_was_recognised(self) -> Self:
        scored = bool(self.NBest) and self.NBest[0].PronunciationAssessment is not None
        if scored != (self.RecognitionStatus == "Success"):
            raise Unusable(Sentence("error.scores_of_nothing"))
        return self


class Cause(BaseModel):
    """Why there is no result, as a key of the sentences that all versions of this mesh share."""

    key: str = Field(default="", max_length=100, examples=["error.audio_unreadable"])
    fields: dict[str, str | int | float] = Field(
        default_factory=dict, examples=[{"name": "recording.wav"}]
    )


class Told(BaseModel):
    """What an analysis server says when it is done."""

    status: Literal["success", "failed"] = Field(examples=["success"])
    result: Result | None = Field(
        default=None, description="With `success`: a superset of Azure's pronunciation assessment"
    )
    message: str = Field(
        default="", max_length=2000, examples=[""], description="With `failed`: why"
    )
    problem: Cause | None = Field(default=None, description="The same for other languages")

    @model_validator(mode="after")
    def _has_what_it_says(self) -> Self:
        if (self.status == "success") != (self.result is not None):
            raise Unusable(Sentence("error.result_missing"))
        return self


GOING_ON = "processing"


class Standing(BaseModel):
    """How far a comparison is; once it is over the same as the webhook was told."""

    status: Literal["processing", "success", "failed"] = Field(examples=["success"])
    result: dict[str, Any] | None = Field(
        default=None, examples=[RESULT], description="With `success`, as the webhook gets it"
    )
    message: str = Field(default="", examples=[""], description="With `failed`: why")
    problem: Cause | None = Field(default=None, description="The same for other languages")


# --- what travels between tasks ---


class RemoteJob(Job):
    """A stored recording that an analysis server elsewhere is asked about."""

    subject: Subject
    subject_id: str
    recording_key: str
    recording_sha256: str
    server: str = ""


class ServiceJob(Job):
    """Audio at addresses, on its way to a call of a webhook."""

    subject: Subject
    audio_url: str
    reference_url: str
    text: str
    webhook_url: str
    webhook_secret: str
    recording_key: str = ""
    reference_key: str = ""
    reference_sha256: str = ""
    result_key: str = ""
    recognition: str = ""
    problem: dict[str, Any] | None = None
    """Why there is no result; the caller hears that too."""
