"""What happens to any task, whichever its pipeline."""

from __future__ import annotations

from shared.events.base import DomainEvent


class TaskSubmitted(DomainEvent, name="EVENT_TASK_SUBMITTED"):
    """A task was accepted; its first step has been asked for in the same breath."""

    pipeline: str


class StepFailed(DomainEvent, name="EVENT_STEP_FAILED"):
    """A step gave up: the error is not worth another try, or the tries are used up."""

    step: str
    attempt: int
    code: str
    message: str


class TaskCompleted(DomainEvent, name="EVENT_TASK_COMPLETED"):
    """Every step of the task succeeded."""

    pipeline: str


class TaskFailed(DomainEvent, name="EVENT_TASK_FAILED"):
    """The task stopped at a failed step; a retry continues from there."""

    pipeline: str
    step: str
    message: str


class TaskCancelled(DomainEvent, name="EVENT_TASK_CANCELLED"):
    """The user cancelled the task."""

    pipeline: str
