"""What travels between the tasks of the deployer, and through its REST interface."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.flow.work import Job
from shared.web.answers import Accepted, Done


class ConversionJob(Job):
    """Registered weights on their way to ONNX."""

    model_path: str
    frame_path: str | None = None
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
