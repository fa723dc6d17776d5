"""What travels between the tasks of the labeling manager, and through its REST interface."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.flow.work import Job
from shared.pipelines.vision import ClassNames, Labeler


class LabelingJob(Job):
    """Frames on their way to people and back."""

    frame_path: str
    inference_result_path: str | None = None
    labeler: str = "builtin"
    classes: list[str] = Field(default_factory=lambda: ["animal"])
    where: str = ""
    total: int = 0
    labeling_path: str | None = None
    labelled: int = 0
    empty: int = 0
    unseen: int = 0
    preannotated_by: str | None = None
    effort: dict[str, Any] = Field(default_factory=dict)


class LabelingWish(BaseModel):
    """Which frames are to be labelled, and how."""

    model_config = ConfigDict(extra="forbid")

    folder_path: str = Field(examples=["frames/0b5c6c5e"], description="A folder with frames.json")
    task_id: str | None = Field(
        default=None, examples=["0b5c6c5e"], description="The task that made the frames"
    )
    user_id: str | None = Field(
        default=None, examples=["ann"], description="Only admins name others"
    )
    labeler: Labeler = "builtin"
    classes: ClassNames = Field(default_factory=lambda: ["animal"], examples=[["mouse"]])


class LabelingView(BaseModel):
    """How far a labeling is."""

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    labeler: str = Field(examples=["folder"])
    state: str = Field(examples=["OPEN"], description="OPEN, DONE or CLOSED")
    total: int = Field(examples=[60])
    done: int = Field(examples=[41])
    skipped: int = Field(examples=[2])
    rate: float = Field(examples=[3.5], description="Frames a minute")
    problems: list[str] = Field(
        examples=[["00000012.txt, line 1: x is 1.4, outside 0..1"]],
        description="What a person should mend, as sentences",
    )
