"""What goes in and out of the gateway."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.flow.states import State


class NewTask(BaseModel):
    """A video to turn into a detector and results."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "file_path": "https://example.org/openfield.mp4",
                    "options": {
                        "num_frames": 60,
                        "labeler": "folder",
                        "classes": ["mouse"],
                        "training": {"epochs": 30, "imgsz": 320},
                        "inference": {"confidence": 0.3},
                    },
                }
            ]
        },
    )

    file_path: str = Field(description="http(s):// or s3:// URL, or an upload's file_path")
    user_id: str | None = Field(default=None, description="For whom; only admins name others")
    pipeline: str = "vision"
    options: dict[str, Any] = Field(default_factory=dict, description="See GET /pipelines")


class RetryWish(BaseModel):
    """Which step to run again."""

    step: str | None = Field(default=None, examples=["model_training"])


class StepView(BaseModel):
    """One step of a task as it stands."""

    step: str = Field(examples=["model_training"])
    service: str
    state: State
    attempt: int
    progress: float = Field(description="0..1")
    message: str | None
    figures: dict[str, Any] = Field(description="Named numbers, for example epoch and map50")
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None = Field(description="Running time so far, or in all")
    error: dict[str, Any] | None


class OutputView(BaseModel):
    """A result file."""

    name: str = Field(examples=["results.csv"])
    url: str
    bytes: int
    sha256: str
    content_type: str


class TaskView(BaseModel):
    """A task with its steps and results."""

    task_id: str
    user_id: str
    pipeline: str
    state: State
    options: dict[str, Any]
    results: dict[str, Any] = Field(description="What the steps have given so far")
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: list[StepView]
    outputs: list[OutputView]


class TaskPage(BaseModel):
    """Newest first; `next` goes back into `before`."""

    items: list[TaskView]
    next: str | None


class StatusView(BaseModel):
    """How far a task is."""

    task_id: str
    state: State
    progress: float = Field(description="Mean of the steps, 0..1")
    error: dict[str, Any] | None
    process_status: list[StepView]


class UploadView(BaseModel):
    """A stored upload; `file_path` goes into POST /tasks/."""

    file_path: str = Field(examples=["upload://9d2f.../openfield.mp4"])
    filename: str
    bytes: int
    sha256: str


class QueueView(BaseModel):
    """The load of one queue."""

    name: str
    running: int
    pending: int
    parked: int
    oldest_s: float


class HealthView(BaseModel):
    """How the machine and the mesh are."""

    status: str = Field(description="ok, or degraded when a dependency does not answer")
    cpu_percent: float
    memory_percent: float
    disk_percent: float
    queues: dict[str, QueueView]
    dependencies: dict[str, str] = Field(description="ok, or what is wrong")
