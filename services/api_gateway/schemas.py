"""What goes in and out of the gateway."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.flow.states import State

TASK = "0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"
MOMENT = "2026-03-01T12:00:00Z"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


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
                        "labeler": "builtin",
                        "classes": ["mouse"],
                        "training": {"epochs": 30, "imgsz": 320},
                        "inference": {"confidence": 0.3},
                    },
                }
            ]
        },
    )

    file_path: str = Field(
        min_length=1,
        max_length=4096,
        examples=["https://example.org/openfield.mp4"],
        description="http(s):// or s3:// URL, or an upload's file_path",
    )
    user_id: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        examples=["ann"],
        description="For whom, by id or name; only admins name others",
    )
    pipeline: str = "vision"
    options: dict[str, Any] = Field(
        default_factory=dict, examples=[{"num_frames": 60}], description="See GET /pipelines"
    )


class RetryWish(BaseModel):
    """Which step to run again."""

    model_config = ConfigDict(extra="forbid")

    step: str | None = Field(
        default=None, examples=["model_training"], description="The failed one when not given"
    )


class StepView(BaseModel):
    """One step of a task as it stands."""

    step: str = Field(examples=["model_training"])
    service: str = Field(examples=["model_trainer"])
    state: State
    attempt: int = Field(examples=[1])
    progress: float = Field(examples=[0.42], description="0..1")
    message: str | None = Field(examples=["epoch 10 of 24"])
    figures: dict[str, Any] = Field(
        examples=[{"epoch": 10, "epochs": 24, "map50": 0.91}], description="Named numbers"
    )
    queued_at: datetime | None = Field(examples=[MOMENT])
    started_at: datetime | None = Field(examples=[MOMENT])
    finished_at: datetime | None = Field(examples=[None])
    seconds: float | None = Field(examples=[31.5], description="Running time so far, or in all")
    error: dict[str, Any] | None = Field(
        examples=[{"code": "DatasetTooSmall", "status": 409, "message": "3 labelled images ..."}]
    )


class OutputView(BaseModel):
    """A result file."""

    name: str = Field(examples=["results.csv"])
    url: str = Field(examples=["/tasks/0b5c6c5e/outputs/results.csv"])
    bytes: int = Field(examples=[52133])
    sha256: str = Field(examples=[SHA256])
    content_type: str = Field(examples=["text/csv"])


class TaskView(BaseModel):
    """A task with its steps and results."""

    task_id: str = Field(examples=[TASK])
    user_id: str = Field(examples=["9d2f41c0-6a5b-4c1f-8f57-2f0f0d8f3a11"])
    pipeline: str = Field(examples=["vision"])
    state: State
    options: dict[str, Any] = Field(examples=[{"num_frames": 60, "labeler": "builtin"}])
    results: dict[str, Any] = Field(
        examples=[{"model": "task-0b5c6c5e", "version": 1, "detections": 1530}],
        description="What the steps have given so far",
    )
    error: dict[str, Any] | None = Field(examples=[None])
    created_at: datetime = Field(examples=[MOMENT])
    started_at: datetime | None = Field(examples=[MOMENT])
    finished_at: datetime | None = Field(examples=[None])
    steps: list[StepView]
    outputs: list[OutputView]


class TaskPage(BaseModel):
    """Newest first."""

    items: list[TaskView]
    next: str | None = Field(
        examples=["MjAyNi0wMy0wMVQxMjowMDowMCswMDowMCAwYjVjNmM1ZQ"],
        description="Goes into `cursor` for the page after this one; null on the last",
    )


class StatusView(BaseModel):
    """How far a task is."""

    task_id: str = Field(examples=[TASK])
    state: State
    progress: float = Field(examples=[0.38], description="Mean of the steps, 0..1")
    error: dict[str, Any] | None = Field(examples=[None])
    process_status: list[StepView]


class UploadView(BaseModel):
    """A stored upload; `file_path` goes into POST /tasks/."""

    file_path: str = Field(examples=["upload://9d2f41c06a5b4c1f8f572f0f0d8f3a11/openfield.mp4"])
    filename: str = Field(examples=["openfield.mp4"])
    bytes: int = Field(examples=[12400231])
    sha256: str = Field(examples=[SHA256])


class DirectUploadWish(BaseModel):
    """A media file that will be sent straight to the storage."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(min_length=1, max_length=1024, examples=["openfield.mp4"])
    bytes: int = Field(gt=0, examples=[12400231])
    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$", examples=[SHA256])
    content_type: Annotated[str, Field(max_length=255)] | None = Field(
        default=None, examples=["video/mp4"], description="By the file's ending when not given"
    )


class DirectUpload(BaseModel):
    """Where and how to send the file; then POST /uploads/direct/{upload_id}/complete."""

    upload_id: str = Field(examples=["9d2f41c06a5b4c1f8f572f0f0d8f3a11"])
    url: str = Field(
        examples=["https://files.example/actverse/incoming/uploads/9d2f/a.mp4?X-Amz-..."]
    )
    method: str = Field(examples=["PUT"])
    headers: dict[str, str] = Field(
        examples=[{"Content-Type": "video/mp4", "x-amz-meta-sha256": SHA256}],
        description="All of them belong to the signature",
    )
    expires_at: datetime = Field(examples=[MOMENT])


class PipelineStep(BaseModel):
    """One step of the map."""

    step: str = Field(examples=["model_training"])
    service: str = Field(examples=["model_trainer"])
    on: str = Field(examples=["EVENT_MODEL_TRAINING_REQUESTED"])
    run: list[str] = Field(examples=[["build_dataset", "train", "evaluate", "store_model"]])
    emits: str = Field(examples=["EVENT_MODEL_TRAINING_COMPLETED"])
    awaits: str | None = Field(examples=[None])
    then: str | None = Field(examples=["EVENT_MODEL_CONVERSION_REQUESTED"])


class PipelineView(BaseModel):
    """A pipeline of the map."""

    name: str = Field(examples=["vision"])
    title: str = Field(examples=["A video in, a detector of your own and its results out"])
    options: dict[str, Any] = Field(
        examples=[{"type": "object"}], description="JSON Schema of what POST /tasks/ takes"
    )
    steps: list[PipelineStep]


class QueueView(BaseModel):
    """The load of one queue."""

    name: str = Field(examples=["model_trainer"])
    running: int | None = Field(examples=[1], description="null where the broker cannot tell")
    pending: int = Field(examples=[2])
    parked: int = Field(examples=[0], description="Given up after too many deliveries")
    oldest_s: float | None = Field(
        examples=[0.4], description="Age of the oldest pending message; null where it is not known"
    )


class HealthView(BaseModel):
    """How the machine and the mesh are."""

    status: str = Field(
        examples=["ok"], description="ok, or degraded when a dependency does not answer"
    )
    cpu_percent: float = Field(examples=[12.3])
    memory_percent: float = Field(examples=[48.7])
    disk_percent: float = Field(examples=[35.1])
    queues: dict[str, QueueView]
    dependencies: dict[str, str] = Field(
        examples=[{"database": "ok", "broker": "ok", "storage": "ok", "model_server": "ok"}],
        description="ok, or what is wrong",
    )


class Readiness(BaseModel):
    """The mesh is up."""

    ready: bool = Field(examples=[True])
