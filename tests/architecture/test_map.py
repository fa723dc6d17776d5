"""The map holds together: checked without running anything."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from shared.events.base import CATALOGUE
from shared.flow.work import TaskSpec
from shared.pipelines import atlas, render
from shared.pipelines.dsl import Pipeline

ROOT = Path(__file__).resolve().parents[2]
REQUIRED_NAMES = {
    "EVENT_VIDEO_DOWNLOADED",
    "EVENT_MODEL_TRAINING_REQUESTED",
    "EVENT_MODEL_TRAINING_COMPLETED",
    "EVENT_MODEL_CONVERSION_REQUESTED",
    "EVENT_MODEL_CONVERSION_COMPLETED",
    "EVENT_MODEL_DEPLOYMENT_REQUESTED",
    "EVENT_MODEL_DEPLOYED",
    "EVENT_INFERENCE_REQUESTED",
}
every_pipeline = pytest.mark.parametrize("pipeline", atlas.PIPELINES.values(), ids=lambda p: p.name)


def test_the_events_have_the_names_that_others_rely_on() -> None:
    assert set(CATALOGUE) >= REQUIRED_NAMES


@pytest.mark.parametrize("service", atlas.services())
def test_every_task_of_the_map_exists_and_none_is_idle(service: str) -> None:
    module = import_module(f"services.{service}.tasks")
    declared = {s.name: s for s in vars(module).values() if isinstance(s, TaskSpec)}
    assert {n for n, s in declared.items() if not s.periodic} == atlas.tasks_of(service)


@every_pipeline
def test_each_step_leads_to_a_step_of_the_pipeline_or_ends_it(pipeline: Pipeline) -> None:
    for step, following in zip(pipeline.steps, [*pipeline.steps[1:], None], strict=True):
        assert step.then is (following.on if following else None), step.name


@every_pipeline
def test_no_request_needs_what_nothing_before_it_gives(pipeline: Pipeline) -> None:
    known = set(pipeline.options.model_fields)
    for step in pipeline.steps:
        missing = step.on.required_fields() - known
        assert not missing, f"{step.name} needs {missing}"
        known |= step.emits.payload_fields() | (
            step.awaits.payload_fields() if step.awaits else set()
        )


@every_pipeline
def test_steps_do_not_share_what_starts_them(pipeline: Pipeline) -> None:
    starts = [step.on for step in pipeline.steps]
    assert len(starts) == len(set(starts))


@every_pipeline
def test_each_chain_gives_what_its_fact_needs(pipeline: Pipeline) -> None:
    """The job of the last task, or what the task knew before, fills the fact."""
    known = set(pipeline.options.model_fields)
    for step in pipeline.steps:
        module = import_module(f"services.{step.service}.tasks")
        job = getattr(module, step.works()[-1].task).job
        missing = step.emits.required_fields() - set(job.model_fields) - known
        assert not missing, f"{step.name}: nothing gives {missing} of {step.emits.name}"
        assert step.on.payload_fields() & set(job.model_fields), step.name
        known |= step.emits.payload_fields()


def test_every_event_is_consumed_or_is_a_fact() -> None:
    consumed = {name for s in atlas.services() for name in atlas.consumed_by(s)}
    # tests of other folders have events of their own
    mine = {n for n, event in CATALOGUE.items() if event.__module__.startswith("shared.")}
    assert mine == consumed


def test_the_readme_shows_the_map_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = re.findall(r"```mermaid\n(.*?)```", readme, re.DOTALL)
    for name in ("vision", "audio_analysis"):
        assert render.as_mermaid(atlas.PIPELINES[name]).strip() in {d.strip() for d in drawn}
