"""What travels between the tasks of the trainer, and through its REST interface."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.events.learning_settings import LabelSource, PromotionSettings
from shared.events.settings import TrainingSettings
from shared.flow.work import Job
from shared.web.answers import Done

GLOBAL = "global"


class TrainingJob(Job):
    """From labels to a registered detector."""

    labeling_path: str
    frame_path: str
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    video_sha256: str | None = None
    root_task_id: str | None = None
    round: int = 1
    earlier: list[LabelSource] = Field(default_factory=list)
    current_model: str | None = None
    freeze_videos: list[str] = Field(default_factory=list)
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    work: str = ""
    dataset_version: str = ""
    weights: str = ""
    base: dict[str, str] = Field(default_factory=dict)
    trained: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    model_path: str | None = None
    model: str | None = None
    version: int | None = None
    weights_sha256: str | None = None
    image_size: int | None = None

    @property
    def root(self) -> str:
        """The task of round one: it names the model and keeps the frozen validation set."""
        return self.root_task_id or self.task_id

    @property
    def start(self) -> str:
        """What training starts from: weights that were asked for, the current model, or `global`."""
        if self.training.weights != GLOBAL or self.current_model is None:
            return self.training.weights
        return self.current_model


class ModelTrainInfo(BaseModel):
    """How to train; `architecture` and `weights` both name what training starts from."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    architecture: str | None = Field(default=None, examples=["global"])
    weights: str | None = Field(default=None, examples=["task-0b5c6c5e/1"])
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, examples=[24])
    imgsz: Annotated[int, Field(ge=64, le=1280, multiple_of=32)] | None = Field(
        default=None, examples=[320]
    )
    batch: Annotated[int, Field(ge=1, le=256)] | None = Field(default=None, examples=[8])
    patience: Annotated[int, Field(ge=0, le=1000)] | None = Field(default=None, examples=[10])
    freeze: Annotated[int, Field(ge=0, le=24)] | None = Field(default=None, examples=[10])
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = Field(default=None, examples=[7])
    val_share: Annotated[float, Field(gt=0, lt=1)] | None = Field(default=None, examples=[0.25])
    min_images: Annotated[int, Field(ge=2)] | None = Field(default=None, examples=[4])

    @property
    def start(self) -> str | None:
        """What training starts from, under whichever of the two names; None where neither was said."""
        return self.weights or self.architecture or None

    def settings(self) -> TrainingSettings:
        """The same as settings of a training; what was not said keeps its default."""
        said = self.model_dump(exclude={"architecture", "weights"}, exclude_none=True)
        return TrainingSettings.model_validate(
            said | ({"weights": self.start} if self.start else {})
        )


class TrainingWish(BaseModel):
    """Which labels to train from, and how."""

    model_config = ConfigDict(extra="forbid")

    data_path: str = Field(examples=["labels/0b5c6c5e"], description="A folder of labels of yours")
    frame_path: str | None = Field(
        default=None,
        examples=["frames/0b5c6c5e"],
        description="Their frames; frames/<the same task> when not given",
    )
    user_id: str | None = Field(
        default=None, examples=["ann"], description="Only admins name others"
    )
    mode_train_info: ModelTrainInfo = Field(default_factory=ModelTrainInfo)


class TrainingDone(Done):
    """The registered model."""

    model_config = ConfigDict(protected_namespaces=())

    model_path: str = Field(examples=["models/task-0b5c6c5e/1"])
    model: str = Field(examples=["task-0b5c6c5e"])
    version: int = Field(examples=[1])
    metrics: dict[str, Any] = Field(
        examples=[{"user": {"map50": 0.97, "map50_95": 0.61}, "frames": 15, "leakage": 0.0}],
        description="Measured on frames that training never saw",
    )


class TrainingView(BaseModel):
    """How far a training is."""

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    state: str = Field(examples=["RUNNING"])
    current_epoch: int = Field(examples=[10], description="0 before the first")
    epochs: int = Field(examples=[24])
    metrics: dict[str, Any] = Field(
        examples=[{"map50": 0.91, "map50_95": 0.55}],
        description="Of the newest epoch; of the model once it is done",
    )
    history: list[dict[str, Any]] = Field(
        examples=[[{"epoch": 1, "map50": 0.31}, {"epoch": 2, "map50": 0.52}]],
        description="The figures of every epoch",
    )
