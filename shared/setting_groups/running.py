"""How work runs, and what stored files cost the local disk."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

GIB = 1024**3


class WorkerSettings(BaseModel):
    """How the workers run."""

    concurrency: dict[str, int] = Field(default_factory=dict)
    """Pool processes a service, such as `{"model_inference": 4}`; who is not named has as many as its
    `services/<service>/deployment.toml` says, or one."""
    deliveries: int = 4
    """Deliveries of one message before it is parked: the first and the repeats after a kill."""
    lease_s: float = 30.0
    """A task whose worker on another machine was silent for so long may be taken over, seconds."""
    report_every_s: float = 0.5
    """Progress is stored at most this often, seconds."""
    task_events: bool = False
    """Whether workers tell what they do, for Flower; a little slower for every task."""


class StorageS3Settings(BaseModel):
    """The keys of the storage where it is `s3://`, and the copies that are kept of it."""

    access_key: SecretStr | None = None
    """Access key of the bucket; None = as boto3 finds it: environment, profile, role."""
    secret_key: SecretStr | None = None
    """The secret of that access key."""
    cache_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    """Local copies of stored files may take so much of `data_dir`, bytes; those that nobody needed
    longest are removed first, those in use never."""
