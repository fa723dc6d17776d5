"""What travels between the tasks of the deployer, and through its REST interface."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.events.learning_settings import PromotionSettings
from shared.events.settings import AnalysisSettings
from shared.flow.work import Job
from shared.web.answers import Accepted, Done


class ConversionJob(Job):
    """Registered weights on their way to ONNX."""

    model_path: str
    frame_path: str | None = None
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    onnx_path: str | None = None
    onnx_sha256: str | None = None
    classes: list[str] = Field(default_factory=list)
    image_size: int | None = None
    parity: dict[str, Any] = Field(default_factory=dict)


class DeploymentJob(Job):
    """A converted model on its way to the model server."""

    model: str
    version: int
    onnx_path: str
    onnx_sha256: str
    classes: list[str]
    image_size: int
    frame_path: str | None = None
    deployment_id: str | None = None
    server: str = ""


class PromotionJob(Job):
    """A new version before the decision whether it becomes the current one."""

    model: str
    version: int
    metrics: dict[str, Any] = Field(default_factory=dict)
    inference_result_path: str
    last_results: str | None = None
    video_sha256: str | None = None
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    shadow: dict[str, Any] = Field(default_factory=dict)
    tracking: dict[str, Any] = Field(default_factory=dict)
    decision: str | None = None
    reason: str = ""


class WithdrawalJob(Job):
    """A model on its way off the model server."""

    deployment_id: str
    model: str


class DeploymentWish(BaseModel):
    """Which registered model to serve."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    task_id: str = Field(examples=["0b5c6c5e"], description="The task that trained the model")
    model_path: str = Field(examples=["models/task-0b5c6c5e/1"])
    user_id: str | None = Field(
        default=None, examples=["ann"], description="Only admins name others"
    )


class DeploymentAccepted(Accepted):
    """The deployment was accepted; its id is the one it will have."""

    deployment_id: str = Field(examples=["5f0d8f3a-11c4-5b5e-9a43-0b5c6c5e6f0f"])


class DeploymentDone(Done):
    """The model server answers with this version, as its weights do."""

    deployment_id: str = Field(examples=["5f0d8f3a-11c4-5b5e-9a43-0b5c6c5e6f0f"])
    model: str = Field(examples=["task-0b5c6c5e"])
    version: int = Field(examples=[1])
    server: str = Field(examples=["triton 2.51.0"])


class PromotionWish(BaseModel):
    """Which version becomes the current one."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(examples=[2])
    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None,
        examples=["It finds the second mouse."],
        description="Needed when the figures of the version cannot be trusted",
    )


class RollbackWish(BaseModel):
    """Why the version before comes back."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, examples=["It counts the water bottle."]
    )


class CurrentVersion(BaseModel):
    """The version that new analyses use from now on."""

    model: str = Field(examples=["task-0b5c6c5e"])
    version: int = Field(examples=[2])
    before: int | None = Field(examples=[1], description="The version that was current until now")
    reason: str = Field(examples=["Promoted by ann: it finds the second mouse."])


class Lineage(BaseModel):
    """Where a version came from; null where nobody noted it."""

    task_id: str | None = Field(default=None, examples=["0b5c6c5e"])
    video_sha256: str | None = Field(default=None, examples=["2c26b46b68ffc68f"])
    frames: dict[str, int] = Field(default_factory=dict, examples=[{"train": 40, "val": 12}])
    labels_sha256: str | None = Field(default=None, examples=["fcde2b2edba56bf4"])
    dataset_sha256: str | None = Field(default=None, examples=["baa5a0964d3320fb"])
    settings: dict[str, Any] = Field(default_factory=dict, examples=[{"epochs": 24}])
    base_weights: str | None = Field(default=None, examples=["global"])
    base_sha256: str | None = Field(default=None, examples=["6432b9be6fa352e0"])
    code_version: str | None = Field(default=None, examples=["actverse 0.1.0"])


class VersionView(BaseModel):
    """A version of a model, what it came from and what became of it."""

    version: int = Field(examples=[2])
    state: str = Field(examples=["CURRENT"], description="CANDIDATE, CURRENT or RETIRED")
    reason: str | None = Field(examples=["task-0b5c6c5e/2 is better than task-0b5c6c5e/1."])
    variant: str = Field(examples=["int8"], description="What is served: fp32 or int8")
    created_at: datetime = Field(examples=["2026-11-21T15:00:00Z"])
    promoted_at: datetime | None = Field(examples=["2026-11-21T15:20:00Z"])
    weights_sha256: str = Field(examples=["9f86d081884c7d65"])
    onnx_sha256: str | None = Field(examples=["60303ae22b998861"], description="Of what is served")
    classes: list[str] = Field(examples=[["mouse"]])
    lineage: Lineage
    metrics: dict[str, Any] = Field(examples=[{"user": {"map50": 0.97}, "leakage": 0.0}])
    shadow: dict[str, Any] = Field(
        examples=[{"matched": 1480, "only_before": 12, "only_after": 40}],
        description="How its analysis of the video differs from that of the version before",
    )


class VersionsView(BaseModel):
    """Every version of a task's model, the newest first."""

    model: str = Field(examples=["task-0b5c6c5e"])
    current: int | None = Field(examples=[2], description="The version that new analyses use")
    versions: list[VersionView]
