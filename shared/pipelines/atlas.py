"""Every pipeline of the mesh in one table, and who listens to facts beside them."""

from __future__ import annotations

from shared.errors import BadInput
from shared.events import lifecycle
from shared.events.base import DomainEvent
from shared.messages import Sentence
from shared.pipelines.dsl import Pipeline, Reaction, Step
from shared.pipelines.learning import VISION_ROUND
from shared.pipelines.speech import SPEECH_PIPELINES
from shared.pipelines.vision import VISION
from shared.pipelines.vision_steps import SINGLE_STEPS

PIPELINES: dict[str, Pipeline] = {
    p.name: p for p in (VISION, VISION_ROUND, *SINGLE_STEPS, *SPEECH_PIPELINES)
}


def facts() -> tuple[type[DomainEvent], ...]:
    """Everything that is not a request: outcomes of steps and of tasks."""
    steps = {s for p in PIPELINES.values() for s in p.steps}
    outcomes = {s.emits for s in steps} | {s.awaits for s in steps if s.awaits}
    ends: set[type[DomainEvent]] = {
        lifecycle.TaskSubmitted,
        lifecycle.StepFailed,
        lifecycle.TaskCompleted,
        lifecycle.TaskFailed,
        lifecycle.TaskCancelled,
    }
    return tuple(sorted(outcomes | ends, key=lambda event: event.name))


REACTIONS: tuple[Reaction, ...] = (Reaction("notification", on=facts(), run="deliver"),)


def pipeline(name: str) -> Pipeline:
    """The pipeline called `name`; `BadInput` lists the known ones."""
    if name not in PIPELINES:
        raise BadInput(Sentence("error.no_pipeline", name=name, known=", ".join(PIPELINES)))
    return PIPELINES[name]


def services() -> tuple[str, ...]:
    """Every service that has a worker, in order of first appearance."""
    names = [s.service for p in PIPELINES.values() for s in p.steps]
    return tuple(dict.fromkeys([*names, *(r.service for r in REACTIONS)]))


def step_for(pipeline_name: str, event_name: str) -> Step | None:
    """The step that `event_name` starts in that pipeline."""
    return next((s for s in PIPELINES[pipeline_name].steps if s.on.name == event_name), None)


def consumed_by(service: str) -> tuple[str, ...]:
    """The names of the events that `service` takes from the bus."""
    requests = {s.on.name for p in PIPELINES.values() for s in p.steps if s.service == service}
    heard = {e.name for r in REACTIONS if r.service == service for e in r.on}
    return tuple(sorted(requests | heard))


def tasks_of(service: str) -> set[str]:
    """The names of the tasks that the map wants `service` to have."""
    steps = (s for p in PIPELINES.values() for s in p.steps if s.service == service)
    wanted = {w.task for s in steps for w in s.works()}
    return wanted | {r.run for r in REACTIONS if r.service == service}
