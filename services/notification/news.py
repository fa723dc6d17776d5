"""Which event is which kind of news, and who wants to hear it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.pipelines import atlas

ALL = "all"
ALWAYS = frozenset({"labels_wanted", "task_completed", "task_failed"})
"""News that people wait for; the others are sent when their step was named, or `all`."""


@dataclass(frozen=True)
class News:
    """One kind of news with the values that its sentences name."""

    kind: str
    step: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)

    def wanted_by(self, steps: frozenset[str]) -> bool:
        """Whether somebody who opted for `steps` gets it."""
        return self.kind in ALWAYS or ALL in steps or self.step in steps


def news_of(event: dict[str, Any], context: dict[str, Any]) -> News | None:
    """The news in an event (its name and payload); None for what nobody needs to hear."""
    name = event["name"]
    if name == "EVENT_TASK_SUBMITTED":
        return News("task_submitted", fields={"pipeline": event["pipeline"]})
    if name == "EVENT_TASK_COMPLETED":
        where = context.get("inference_result_path") or context.get("model_path") or "the storage"
        return News("task_completed", fields={"where": where})
    if name == "EVENT_TASK_FAILED":
        return News("task_failed", fields={"step": event["step"], "message": event["message"]})
    if name == "EVENT_TASK_CANCELLED":
        return News("task_cancelled")
    if name == "EVENT_STEP_FAILED":
        step = event["step"]
        return News("step_failed", step, {"step": step, "message": event["message"]})
    return _of_step(name, event)


def _of_step(name: str, event: dict[str, Any]) -> News | None:
    step = _step_of(name)
    if step is None:
        return None
    if name == "EVENT_LABELING_STARTED":
        return News("labels_wanted", step, {"total": event["total"], "where": event["where"]})
    if name == "EVENT_LABELING_COMPLETED":
        return News("labels_completed", step, {k: event[k] for k in ("total", "done", "skipped")})
    if name == "EVENT_MODEL_TRAINING_COMPLETED":
        scores = event["metrics"].get("user", {})
        figures = {"map50": scores.get("map50"), "map50_95": scores.get("map50_95")}
        return News(
            "training_completed",
            step,
            {"model": event["model"], "version": event["version"], **figures},
        )
    if name == "EVENT_MODEL_DEPLOYED":
        return News("model_deployed", step, {k: event[k] for k in ("model", "version", "server")})
    return News("step_completed", step, {"step": step})


def _step_of(fact: str) -> str | None:
    """The step that a fact comes from."""
    for pipeline in atlas.PIPELINES.values():
        for step in pipeline.steps:
            if fact in {step.emits.name, step.outcome.name}:
                return step.name
    return None
