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


class ImportView(BaseModel):
    """What a file of labels holds for a task, and what became of it."""

    task_id: str = Field(examples=["0b5c6c5e"])
    dry_run: bool = Field(examples=[True], description="Whether nothing was changed")
    classes: list[str] = Field(examples=[["mouse"]], description="Of the task")
    frames: int = Field(examples=[60], description="That the task has")
    labelled: int = Field(examples=[41], description="Frames with boxes in the file")
    empty: int = Field(examples=[3], description="Frames that the file says are empty")
    boxes: int = Field(examples=[118])
    changed: int = Field(examples=[44], description="Frames whose stored label differs")
    left: int = Field(examples=[16], description="Frames that the file says nothing about")
    foreign: int = Field(examples=[0], description="Images of the file that are no frames here")
    foreign_names: list[str] = Field(examples=[[]], description="The first of them")
    told: list[str] = Field(
        examples=[["3 images have no text: taken as not looked at, not as empty."]],
        description="What the format could not say, as sentences",
    )
    stored: int = Field(examples=[0], description="Frames whose labels were stored now")
