"""What a user may ask of a round; validated at the door, carried by events."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]


class FrameBudget(BaseModel):
    """Which part of the frames each strategy chooses, and what all of them keep to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uniform: Share = 0.2
    """Spread over the video, drawn with the seed."""
    diversity: Share = 0.4
    """One of each kind of picture: clusters of the foreground and of the boxes."""
    uncertainty: Share = 0.3
    """Where the last model is unsure, or disagrees with the global one."""
    motion: Annotated[Share, Field(examples=[0.0])] = 0.0
    """Where much moves."""
    track_breaks: Share = 0.1
    """Where a track of the last analysis begins or ends in the middle of the picture."""
    min_gap_s: Annotated[float, Field(ge=0, le=3600)] = 0.5
    """Time between two chosen frames of a video, at least; seconds."""

    @model_validator(mode="after")
    def _sums_to_something(self) -> Self:
        if sum(self.shares().values()) <= 0:
            raise ValueError("give at least one strategy a share above 0")
        return self

    def shares(self) -> dict[str, float]:
        """The shares by strategy, as given; they need not sum to 1."""
        return {
            "uniform": self.uniform,
            "diversity": self.diversity,
            "uncertainty": self.uncertainty,
            "motion": self.motion,
            "track_breaks": self.track_breaks,
        }


class PromotionSettings(BaseModel):
    """When a new version takes the place of the current one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Annotated[float, Field(ge=0, le=1)] = 0.005
    """mAP50-95 by which the new version must be better, 0..1."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """Share of the bootstrap draws (blocks of time) in which it must be better at all."""
    automatic: bool = True
    """False: every new version waits as a candidate until somebody promotes it."""
    int8: bool = True
    """Also make a variant in 8-bit integers, and serve it when it loses at most `int8_loss`."""
    int8_loss: Annotated[float, Field(ge=0, le=1)] = 0.005
    """mAP50-95 that the 8-bit variant may lose against 32 bits, 0..1."""


class LabelSource(BaseModel):
    """Labels of one round, and the frames that they belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labeling_path: str
    """labels/<task>."""
    frame_path: str
    """frames/<task>."""
    video_sha256: str | None = None
    """Of the video that the frames are from."""
