"""What the interface of data sets says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

SHA256 = "9f2c5a4e9f2c5a4e9f2c5a4e9f2c5a4e9f2c5a4e9f2c5a4e9f2c5a4e9f2c5a4e"


class DatasetVersion(BaseModel):
    """One version of a data set; it never changes."""

    number: int = Field(examples=[2])
    sha256: str = Field(examples=[SHA256], description="Of its manifest; the name of the version")
    parent_sha256: str | None = Field(examples=[None], description="The version before it")
    task_id: str = Field(examples=["0b5c6c5e"], description="The round that made it")
    created_at: datetime = Field(examples=["2026-03-01T12:00:00Z"])
    counts: dict[str, Any] = Field(
        examples=[{"frames": 60, "splits": {"train": 45, "val": 15}, "boxes": {"mouse": 113}}]
    )


class DatasetsView(BaseModel):
    """The versions of a task's data set."""

    task_id: str = Field(examples=["0b5c6c5e"], description="The task of round one")
    versions: list[DatasetVersion]


class DatasetDiff(BaseModel):
    """What changed from the parent to this version."""

    sha256: str = Field(examples=[SHA256])
    parent_sha256: str | None = Field(examples=[None])
    diff: dict[str, Any] = Field(
        examples=[
            {
                "added": {"count": 20, "frames": []},
                "removed": {"count": 0, "frames": []},
                "relabelled": {"count": 1, "frames": []},
                "split_changes": {"count": 0, "frames": []},
                "boxes": {"mouse": {"before": 113, "after": 151}},
            }
        ],
        description="Frames by name (the first 200 of each list), boxes by class",
    )
