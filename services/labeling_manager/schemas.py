"""What travels between the tasks of the labeling manager, and through its REST interface."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.flow.work import Job
from shared.pipelines.vision import ClassName


class LabelingJob(Job):
    """Frames on their way to people and back."""

    frame_path: str
    inference_result_path: str | None = None
    labeler: str = "folder"
    classes: list[str] = Field(default_factory=lambda: ["animal"])
    where: str = ""
    total: int = 0
    labeling_path: str | None = None
    labelled: int = 0
    empty: int = 0
    unseen: int = 0


class LabelingWish(BaseModel):
    """Which frames are to be labelled, and how."""

    model_config = ConfigDict(extra="forbid")

    folder_path: str = Field(examples=["frames/0b5c6c5e"], description="A folder with frames.json")
    task_id: str | None = Field(default=None, description="The task that made the frames")
    user_id: str | None = None
    labeler: str = "folder"
    classes: Annotated[list[ClassName], Field(min_length=1, max_length=80)] = Field(
        default_factory=lambda: ["animal"]
    )


class LabelingView(BaseModel):
    """How far a labeling is."""

    task_id: str
    labeler: str
    state: str = Field(description="OPEN, DONE or CLOSED")
    total: int
    done: int
    skipped: int
    rate: float = Field(description="Frames a minute")
    problems: list[str] = Field(description="What a person should mend, as sentences")
