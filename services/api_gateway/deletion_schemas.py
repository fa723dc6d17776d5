"""What is said about a task that goes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from shared.flow.states import State


class GoingModel(BaseModel):
    """A version of a model that goes with its task."""

    name: str = Field(examples=["task-0b5c6c5e"])
    version: int = Field(examples=[1])
    served: bool = Field(examples=[True], description="Whether the model server holds it")


class Deletion(BaseModel):
    """What goes with a task, and what stays."""

    model_config = ConfigDict(protected_namespaces=())

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    dry_run: bool = Field(examples=[False], description="Whether it was only asked")
    state: State = Field(examples=["DELETING"], description="Of the task, from now on")
    files: int = Field(examples=[412])
    bytes: int = Field(examples=[184320511])
    rows: dict[str, int] = Field(examples=[{"step_runs": 11, "tasks": 1}], description="By table")
    models: list[GoingModel]
    stays: list[str] = Field(
        examples=[["The upload upload://9d2f/openfield.mp4 stays: it is yours, ..."]],
        description="What was made from the task or for it, and does not belong to it",
    )
    refused: str | None = Field(
        default=None, examples=[None], description="Why it cannot be deleted now (`dry_run`)"
    )
