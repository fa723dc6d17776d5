"""What step endpoints answer. No web framework here: workers load these with their schemas."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Accepted(BaseModel):
    """The task was accepted; follow it at `status_url`."""

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    status_url: str = Field(examples=["/status/0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    events_url: str = Field(examples=["/status/0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11/events"])


class Done(BaseModel):
    """What a finished step has given; the fields are taken by name from what the task knows."""

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
