"""What a learner sees of what he or she has said."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.audio_analyzer.catalogue_schemas import ID, MOMENT, TEXT, ActorRef
from shared.events.speech import Subject

JOB_ID = "73732cad-5149-44d4-a954-e9c4781635c3"


class Scores(BaseModel):
    """0 to 100 each; none where nothing was recognised."""

    pron_score: float | None = Field(examples=[87.4], description="All the others together")
    accuracy: float | None = Field(examples=[91.0])
    fluency: float | None = Field(examples=[84.2])
    prosody: float | None = Field(examples=[79.5])
    completeness: float | None = Field(examples=[100.0])


class LineRef(BaseModel):
    """Which line was said."""

    subject: Subject
    id: str = Field(examples=[ID])
    title: str = Field(examples=["Gone with the Wind"], description="Of the film or the script")
    text: str = Field(examples=[TEXT])
    actor: ActorRef | None


class HistoryItem(Scores):
    """One recording, and what it was worth."""

    job_id: str = Field(examples=[JOB_ID])
    result_url: str = Field(examples=[f"/tokens/analysis-result/{JOB_ID}"])
    line: LineRef
    status: Literal["processing", "completed", "failed"]
    recognition: str | None = Field(examples=["Success"])
    created_at: datetime = Field(examples=[MOMENT])
    finished_at: datetime | None = Field(examples=[MOMENT])


class HistoryPage(BaseModel):
    """Newest first."""

    items: list[HistoryItem]
    next: str | None = Field(examples=[None], description="`cursor` of the following page")


class TrendPoint(Scores):
    """One recognised recording."""

    job_id: str = Field(examples=[JOB_ID])
    result_url: str = Field(examples=[f"/tokens/analysis-result/{JOB_ID}"])
    at: datetime = Field(examples=[MOMENT])


class Trends(BaseModel):
    """How scores have changed, by means over several recordings: one alone says little."""

    points: list[TrendPoint] = Field(description="Oldest first")
    mean_of: int = Field(examples=[5], description="Recordings that each mean is over, at most")
    first: Scores = Field(description="Mean of the oldest points")
    latest: Scores = Field(description="Mean of the newest points")
    gain: Scores = Field(description="`latest` less `first`; may be negative")


class BestItem(Scores):
    """The best recording of a line."""

    job_id: str = Field(examples=[JOB_ID])
    result_url: str = Field(examples=[f"/tokens/analysis-result/{JOB_ID}"])
    line: LineRef
    recordings: int = Field(examples=[7], description="Recognised ones of this line")
    created_at: datetime = Field(examples=[MOMENT])


class BestPage(BaseModel):
    """Best first."""

    items: list[BestItem]
    next: str | None = Field(examples=[None], description="`cursor` of the following page")


class BookmarkItem(BaseModel):
    """A line to be found again."""

    line: LineRef
    state: Literal["NO_AUDIO", "PREPARING", "READY", "FAILED"]
    best_score: float | None = Field(examples=[87.4], description="Of your recordings, 0..100")
    created_at: datetime = Field(examples=[MOMENT], description="When it was bookmarked")


class BookmarkPage(BaseModel):
    """Newest first."""

    items: list[BookmarkItem]
    next: str | None = Field(examples=[None], description="`cursor` of the following page")
