"""What travels between the tasks of model inference, and through its REST interface."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.events.settings import AnalysisSettings
from shared.flow.work import Job


class GlobalJob(Job):
    """A video for the model that ships with the code."""

    download_path: str
    frame_path: str | None = None
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    inference_result_path: str | None = None
    detections: int = 0


class AnalysisJob(Job):
    """A video for a deployed model."""

    deployment_id: str
    inference_data_path: str
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    work: str = ""
    inference_result_path: str | None = None
    detections: int = 0
    tracks: int = 0
    frames_per_s: float = 0.0


class InferenceWish(BaseModel):
    """Which video, and how it is analysed."""

    model_config = ConfigDict(extra="forbid")

    data_path: str = Field(
        examples=["upload://9d2f/clip.mp4"], description="An upload or a stored video of yours"
    )
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.25
    iou: Annotated[float, Field(ge=0, le=1)] = 0.5
    batch_size: Annotated[int, Field(ge=1, le=64)] = 4
    frame_skip: Annotated[int, Field(ge=0, le=1000)] = 0
    max_frames: Annotated[int, Field(ge=1)] | None = None

    def settings(self) -> AnalysisSettings:
        """The same as settings of an analysis."""
        return AnalysisSettings.model_validate(self.model_dump(exclude={"data_path"}))


class ServedVersion(BaseModel):
    """One version of a model on the model server."""

    name: str
    version: int
    state: str = Field(examples=["READY"])
    reason: str
    server: str = Field(examples=["triton 2.51.0"])
    task_id: str | None
    classes: list[str]
    metrics: dict[str, Any]
