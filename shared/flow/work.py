"""The `@task` of a service: a function from Job to Job, made safe to run twice."""

from __future__ import annotations

import random
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from shared.flow.claims import WorkRef
from shared.platform import Platform
from shared.progress.report import Report


class Job(BaseModel):
    """What travels from task to task inside a step: keys and figures, never bytes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    user_id: str

    def having(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return self.model_validate({**self.model_dump(), **changes})


@dataclass(frozen=True)
class Backoff:
    """How often and after how long a `Retryable` is tried again; jitter keeps retries apart."""

    times: int = 5
    first_s: float = 1.0
    most_s: float = 60.0

    def delay_s(self, tried: int, hint_s: float | None) -> float:
        """Seconds before try number `tried` + 1; a server's own Retry-After wins."""
        if hint_s is not None:
            return min(hint_s, self.most_s)
        return min(self.first_s * 2**tried, self.most_s) * random.uniform(0.75, 1.25)


@dataclass(frozen=True)
class Run:
    """What a task gets beside its job."""

    platform: Platform
    ref: WorkRef
    report: Report
    tries: int  # 1 on the first delivery, more after a kill


@dataclass(frozen=True)
class TaskSpec:
    """A task as declared in a service's tasks.py."""

    function: Callable[..., Any]
    backoff: Backoff
    job: type[Job] | None
    periodic: bool = False
    name: str = field(default="")


def task(retry: Backoff | None = None) -> Callable[[Callable[..., Any]], TaskSpec]:
    """Declare `function(job, run) -> Job` as a task of the service that the module belongs to.

    The first parameter's type says which Job it takes; the task after a `parallel` takes a list of
    them. Its return value goes to the next task.
    """

    def declare(function: Callable[..., Any]) -> TaskSpec:
        hint = next(iter(typing.get_type_hints(function).values()))
        job = (typing.get_args(hint) or (hint,))[0]
        return TaskSpec(function, retry or Backoff(), job, name=function.__name__)

    return declare


def periodic(function: Callable[[Platform], None]) -> TaskSpec:
    """Declare a task without a job, which beat sends."""
    return TaskSpec(function, Backoff(), None, periodic=True, name=function.__name__)


def reaction(
    retry: Backoff | None = None,
) -> Callable[[Callable[[dict[str, Any], Platform], None]], TaskSpec]:
    """Declare a task that reacts to an event of any pipeline: it gets the event's name and body."""

    def declare(function: Callable[[dict[str, Any], Platform], None]) -> TaskSpec:
        return TaskSpec(function, retry or Backoff(), None, name=function.__name__)

    return declare
