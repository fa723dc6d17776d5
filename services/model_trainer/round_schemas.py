"""What the REST interface of rounds and triggers takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.model_trainer.schemas import ModelTrainInfo
from shared.events.learning_settings import FrameBudget, PromotionSettings
from shared.pipelines.vision import Labeler

TASK = "0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"


class RoundWish(BaseModel):
    """What a further round should be; everything else is known from the rounds before."""

    model_config = ConfigDict(extra="forbid")

    num_frames: Annotated[int, Field(ge=1, le=5000, examples=[20])] = 20
    """Frames to label."""
    seed: Annotated[int, Field(ge=0, lt=2**32, examples=[7])] | None = None
    """Of the choice of frames; that of round one plus the number of rounds when not given."""
    budget: FrameBudget = Field(default_factory=FrameBudget)
    """How much of the frames each strategy chooses."""
    labeler: Labeler | None = Field(default=None, examples=["folder"])
    """That of round one when not given."""
    training: ModelTrainInfo = Field(default_factory=ModelTrainInfo)
    """Differences to the training of round one; without `weights` it goes on from the current model."""
    promotion: PromotionSettings | None = None
    """When the new version takes the place of the current one; as in round one when not given."""


class RoundView(BaseModel):
    """One round of labels, training and comparison."""

    number: int = Field(examples=[2], description="Round one is the task itself")
    task_id: str = Field(examples=[TASK])
    state: str = Field(examples=["SUCCEEDED"])
    waits_for: str | None = Field(
        default=None, examples=["labeling"], description="The step it is at, while it is open"
    )
    chosen: dict[str, int] = Field(
        examples=[{"uniform": 4, "diversity": 8, "uncertainty": 6, "track_breaks": 2}],
        description="Frames by strategy",
    )
    labelled: int = Field(examples=[18], description="Frames with boxes")
    empty: int = Field(examples=[2], description="Frames that were confirmed empty")
    frames: int = Field(examples=[80], description="Frames labelled so far, all rounds together")
    effort: dict[str, Any] = Field(
        examples=[{"accepted": 41, "moved": 9, "deleted": 2, "added": 3, "seconds": 210.0}],
        description="What people did to the suggested boxes, and how long it took",
    )
    figures: dict[str, Any] = Field(
        examples=[{"new": {"map50_95": 0.58}, "current": {"map50_95": 0.51}, "leakage": 0.0}],
        description="Of the new, the current and the global model on the frozen frames",
    )
    model: str | None = Field(default=None, examples=[f"task-{TASK}/2"])
    model_state: str | None = Field(
        default=None, examples=["CURRENT"], description="CURRENT, CANDIDATE or RETIRED, as of now"
    )
    decision: str | None = Field(
        default=None, examples=["CURRENT"], description="CURRENT or CANDIDATE, as it was decided"
    )
    reason: str | None = Field(default=None, examples=["It is better by 0.07 mAP50-95."])
    dataset_sha256: str | None = Field(default=None, examples=["9f86d081884c7d65"])
    created_at: datetime = Field(examples=["2026-11-21T15:00:00Z"])
    finished_at: datetime | None = Field(default=None, examples=["2026-11-21T16:20:00Z"])


class CurvePoint(BaseModel):
    """A round as a point of the learning curve."""

    round: int = Field(examples=[2])
    frames: int = Field(examples=[80], description="Labelled so far")
    map50: float | None = Field(examples=[0.93])
    map50_95: float = Field(examples=[0.58])


class CurveView(BaseModel):
    """mAP against labelled frames, and what more of them are worth."""

    points: list[CurvePoint]
    fit: dict[str, float] | None = Field(
        examples=[{"asymptote": 0.71, "scale": 0.5, "exponent": 0.8, "unit": 60}],
        description="mAP50-95 = asymptote - scale * (frames / unit) ^ -exponent; from three rounds on",
    )
    next: dict[str, float] | None = Field(
        examples=[{"frames": 20, "expected": 0.02, "low": 0.004, "high": 0.05}],
        description="What the next frames are worth in mAP50-95, with a 90 % interval",
    )
    advice: str = Field(examples=["The next 20 frames are worth +0.020 mAP50-95. Go on."])


class RoundsView(BaseModel):
    """All rounds that began with a task."""

    root_task_id: str = Field(examples=[TASK])
    current_model: str | None = Field(examples=[f"task-{TASK}/2"])
    rounds: list[RoundView]
    curve: CurveView


class DriftTrigger(BaseModel):
    """A new analysis that looks unlike the one that the current model was shown with.

    Measured by the population stability index (PSI) over ten classes of equal size. The usual
    reading is: below 0.1 nothing changed, up to 0.25 watch it, above it changed (Siddiqi, Credit
    Risk Scorecards, Wiley 2006). With few frames PSI is above 0 by chance alone, so the limit is
    never below what chance gives once in a thousand cases (Yurdakul & Naranjo, Journal of Risk Model
    Validation 14, 2020: PSI over k classes is about (1/n + 1/m) times chi square with k - 1
    degrees of freedom).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Annotated[float, Field(gt=0, le=10)] | None = 0.25
    """PSI of the confidence of the boxes; None = not looked at."""
    box_size: Annotated[float, Field(gt=0, le=10)] | None = 0.25
    """PSI of the side of the boxes, the root of their area in pixels; None = not looked at."""
    count: Annotated[float, Field(gt=0, le=10)] | None = 0.25
    """PSI of the boxes in a frame; None = not looked at."""
    least_frames: Annotated[int, Field(ge=30)] = 100
    """Analysed frames, below which an analysis says nothing."""


class TriggerSettings(BaseModel):
    """When a further round begins by itself. Any of the reasons is enough."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    new_labels: Annotated[int, Field(ge=1, examples=[30])] | None = None
    """Frames whose labels were imported or corrected since the last round; None = never."""
    drift: DriftTrigger | None = None
    """How unlike a new analysis with the current model must be; None = never."""
    every_h: Annotated[float, Field(ge=1, le=24 * 366, examples=[168])] | None = None
    """Hours after the last round that another begins; None = never."""
    cooldown_h: Annotated[float, Field(ge=0, le=24 * 366)] = 24.0
    """Hours after a round began in which none begins by itself."""
    round: RoundWish = Field(default_factory=RoundWish)
    """What that round should be."""


class TriggersView(BaseModel):
    """The triggers of a task, and what they would do now."""

    root_task_id: str = Field(examples=[TASK])
    settings: TriggerSettings
    would_fire: bool = Field(examples=[False])
    told: str = Field(examples=["would not fire: 12 of 30 frames have new labels"])
    last_fired_at: datetime | None = Field(examples=["2026-11-21T15:00:00Z"])
    last_reason: str | None = Field(examples=["30 of 30 frames have new labels"])
