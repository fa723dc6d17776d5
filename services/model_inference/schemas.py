"""What travels between the tasks of model inference, and through its REST interface."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.events.settings import AnalysisSettings
from shared.flow.work import Job
from shared.web.answers import Done


class GlobalJob(Job):
    """A video for the model that ships with the code."""

    download_path: str
    frame_path: str | None = None
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    inference_result_path: str | None = None
    detections: int = 0


class PreannotationJob(Job):
    """Frames that wait for a person, on their way to suggestions."""

    frame_path: str
    deployment_id: str | None = None  # None: the global model
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    inference_result_path: str | None = None
    preannotated_by: str = ""


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
    frame_skip: Annotated[int, Field(ge=0, le=1000)] = Field(default=0, examples=[1])
    max_frames: Annotated[int, Field(ge=1)] | None = Field(
        default=None, examples=[1000], description="Stop after so many analysed frames"
    )
    version: Annotated[int, Field(ge=1)] | None = Field(
        default=None, examples=[2], description="Which version; the current one when not given"
    )

    def settings(self) -> AnalysisSettings:
        """The same as settings of an analysis."""
        return AnalysisSettings.model_validate(self.model_dump(exclude={"data_path", "version"}))


class InferenceDone(Done):
    """What was found; the files are fetched from GET /tasks/{task_id}/outputs/{name}."""

    inference_result_path: str = Field(examples=["inference_results/0b5c6c5e"])
    detections: int = Field(examples=[1530])
    tracks: int = Field(examples=[4])
    frames_per_s: float = Field(examples=[41.7])
    outputs: list[str] = Field(examples=[["results.csv", "results.json", "overlaid_results.mp4"]])


class ServedVersion(BaseModel):
    """One version of a model on the model server."""

    name: str = Field(examples=["task-0b5c6c5e"])
    version: int = Field(examples=[1])
    state: str = Field(examples=["READY"])
    reason: str = Field(examples=[""], description="Why it is not ready")
    server: str = Field(examples=["triton 2.51.0"])
    task_id: str | None = Field(examples=["0b5c6c5e"], description="Null for the global model")
    classes: list[str] = Field(examples=[["mouse"]])
    metrics: dict[str, Any] = Field(examples=[{"user": {"map50": 0.97}}])
