"""The words a pipeline is written in: a Pipeline is Steps; a Step is on -> run -> emits -> then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from shared.events.base import DomainEvent


@dataclass(frozen=True)
class Work:
    """One Celery task of a chain; `weight` is its share of the step's progress bar."""

    task: str
    weight: float = 1.0


class Parallel:
    """A chord: every task gets the same job, `then` gets the list of their results."""

    def __init__(self, *tasks: str | Work, then: str | Work) -> None:
        self.tasks = tuple(_work(t) for t in tasks)
        self.then = _work(then)


def parallel(*tasks: str | Work, then: str | Work) -> Parallel:
    """Run `tasks` side by side, then `then`."""
    return Parallel(*tasks, then=then)


def _work(item: str | Work) -> Work:
    return item if isinstance(item, Work) else Work(item)


class Options(BaseModel):
    """What the user may say when submitting a task; each pipeline has its own subclass.

    Its fields are what the first events are drawn from.
    """

    model_config = ConfigDict(extra="forbid")


class Step:
    """What one service does when one event arrives.

    Attributes:
        service: who does it; the folder under `services/`.
        on: the request that starts it.
        run: task names of the service, as a chain; `parallel(...)` inside is a chord.
        emits: the fact that ends the chain.
        awaits: for steps that wait for people or other servers, the fact that somebody else
            publishes when they are done; the step then ends with `awaits` instead of `emits`.
        then: the request that the final fact leads to; None ends the pipeline.
        deadline_s: after so many seconds of running the sweeper fails the step.
        waits_s: after so many seconds of waiting too; None waits as long as people take.
    """

    def __init__(
        self,
        service: str,
        *,
        on: type[DomainEvent],
        run: tuple[str | Work | Parallel, ...],
        emits: type[DomainEvent],
        awaits: type[DomainEvent] | None = None,
        then: type[DomainEvent] | None = None,
        deadline_s: float = 24 * 3600,
        waits_s: float | None = None,
    ) -> None:
        self.service = service
        self.on = on
        self.run = tuple(r if isinstance(r, Parallel) else _work(r) for r in run)
        self.emits = emits
        self.awaits = awaits
        self.then = then
        self.deadline_s = deadline_s
        self.waits_s = waits_s

    @cached_property
    def name(self) -> str:
        """`EVENT_MODEL_TRAINING_REQUESTED` -> `model_training`."""
        return re.sub(r"^EVENT_|_REQUESTED(_V\d+)?$", "", self.on.name).lower()

    @property
    def outcome(self) -> type[DomainEvent]:
        """The fact that the step ends with."""
        return self.awaits or self.emits

    def works(self) -> list[Work]:
        """Every task of the step, in order of the chain."""
        flat: list[Work] = []
        for item in self.run:
            flat += [*item.tasks, item.then] if isinstance(item, Parallel) else [item]
        return flat

    def weights(self) -> dict[str, float]:
        """The share of each task in the step's progress bar."""
        return {work.task: work.weight for work in self.works()}

    def opening(self) -> frozenset[str]:
        """The tasks that the step begins with: one, or all of a leading `parallel`."""
        first = self.run[0]
        works = first.tasks if isinstance(first, Parallel) else (first,)
        return frozenset(work.task for work in works)

    @property
    def starts_together(self) -> bool:
        """Whether the step begins with a `parallel`."""
        return isinstance(self.run[0], Parallel)

    def leading_to(self, then: type[DomainEvent] | None) -> Step:
        """The same step in another pipeline, where something else follows it."""
        return Step(
            self.service,
            on=self.on,
            run=self.run,
            emits=self.emits,
            awaits=self.awaits,
            then=then,
            deadline_s=self.deadline_s,
            waits_s=self.waits_s,
        )


class Pipeline:
    """Steps in the order of their events, and what a user may say when starting them."""

    def __init__(
        self, name: str, *steps: Step, options: type[Options], title: str, alone: bool = False
    ) -> None:
        self.name = name
        self.steps = steps
        self.options = options
        self.title = title
        self.alone = alone  # a single step, asked for at an endpoint of its own

    def step(self, name: str) -> Step:
        """The step called `name`; KeyError when the pipeline has none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


@dataclass(frozen=True)
class Reaction:
    """A service that listens to facts of every pipeline and runs one task for each."""

    service: str
    on: tuple[type[DomainEvent], ...]
    run: str


__all__ = ["Options", "Parallel", "Pipeline", "Reaction", "Step", "Work", "parallel"]
