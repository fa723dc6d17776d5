"""What travels between the tasks of the trainer, and through its REST interface."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.events.settings import TrainingSettings
from shared.flow.work import Job


class TrainingJob(Job):
    """From labels to a registered detector."""

    labeling_path: str
    frame_path: str
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    video_sha256: str | None = None
    work: str = ""
    weights: str = ""
    base: dict[str, str] = Field(default_factory=dict)
    trained: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    model_path: str | None = None
    model: str | None = None
    version: int | None = None
    weights_sha256: str | None = None
    image_size: int | None = None


class ModelTrainInfo(BaseModel):
    """How to train; `architecture` and `weights` both name what training starts from."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    architecture: str | None = Field(default=None, examples=["global"])
    weights: str | None = Field(default=None, examples=["task-0b5c6c5e/1"])
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    imgsz: Annotated[int, Field(ge=64, le=1280, multiple_of=32)] | None = None
    batch: Annotated[int, Field(ge=1, le=256)] | None = None
    patience: Annotated[int, Field(ge=0, le=1000)] | None = None
    freeze: Annotated[int, Field(ge=0, le=24)] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None

    def settings(self) -> TrainingSettings:
        """The same as settings of a training; what was not said keeps its default."""
        said = self.model_dump(exclude={"architecture"}, exclude_none=True)
        if self.architecture and "weights" not in said:
            said["weights"] = self.architecture
        return TrainingSettings.model_validate(said)


class TrainingWish(BaseModel):
    """Which labels to train from, and how."""

    model_config = ConfigDict(extra="forbid")

    data_path: str = Field(examples=["labels/0b5c6c5e"], description="A folder of labels of yours")
    frame_path: str | None = Field(
        default=None, description="Their frames; frames/<the same task> when not given"
    )
    user_id: str | None = None
    mode_train_info: ModelTrainInfo = Field(default_factory=ModelTrainInfo)


class TrainingView(BaseModel):
    """How far a training is."""

    task_id: str
    state: str
    current_epoch: int
    epochs: int
    metrics: dict[str, Any] = Field(description="Of the newest epoch; of the model once it is done")
    history: list[dict[str, Any]] = Field(description="The figures of every epoch")
