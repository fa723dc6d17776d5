"""The rounds in which people teach a detector: which frames, what was suggested, what was decided."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.events.base import DomainEvent
from shared.events.learning_settings import FrameBudget, PromotionSettings
from shared.events.settings import AnalysisSettings


class FrameChoiceRequested(DomainEvent, name="EVENT_FRAME_CHOICE_REQUESTED"):
    """Choose the frames of a video that are worth a person's time."""

    download_path: str  # the normalised video
    num_frames: int = 20
    seed: int = 0
    budget: FrameBudget = Field(default_factory=FrameBudget)
    taken_paths: list[str] = Field(default_factory=list)  # frames/<task> of the rounds before
    last_results: str | None = None  # inference_results/<task> of the last model on this video
    global_results: str | None = None  # the same of the global model
    avoid_s: list[tuple[float, float]] = Field(default_factory=list)  # from, to: close to judges


class FramesChosen(DomainEvent, name="EVENT_FRAMES_CHOSEN"):
    """The chosen frames are in the storage."""

    frame_path: str
    chosen: dict[str, int]  # frames by strategy


class PreannotationRequested(DomainEvent, name="EVENT_PREANNOTATION_REQUESTED"):
    """Have a model suggest boxes for frames that a person will label."""

    frame_path: str
    deployment_id: str | None = None  # None: the global model


class FramesPreannotated(DomainEvent, name="EVENT_FRAMES_PREANNOTATED"):
    """Suggestions lie beside the frames."""

    inference_result_path: str
    preannotated_by: str  # <model>/<version>, or global


class ModelPromotionRequested(DomainEvent, name="EVENT_MODEL_PROMOTION_REQUESTED"):
    """Decide whether a new version takes the place of the current one."""

    model: str
    version: int
    metrics: dict[str, Any]
    inference_result_path: str  # of the new version: the shadow run
    last_results: str | None = None  # of the current version on the same video
    video_sha256: str | None = None
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)  # of the shadow run
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)


class ModelPromotionDecided(DomainEvent, name="EVENT_MODEL_PROMOTION_DECIDED"):
    """The new version is the current one, or waits as a candidate; and why."""

    decision: str  # CURRENT or CANDIDATE
    reason: str
    shadow: dict[str, Any] = Field(default_factory=dict)
    tracking: dict[str, Any] = Field(default_factory=dict)  # where the truth has identities
