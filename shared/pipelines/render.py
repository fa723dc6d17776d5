"""The map as text, as Mermaid, as JSON."""

from __future__ import annotations

from typing import Any

from shared.pipelines.dsl import Parallel, Pipeline, Step


def _chain(step: Step) -> str:
    parts = [
        f"[{' | '.join(w.task for w in item.tasks)}] > {item.then.task}"
        if isinstance(item, Parallel)
        else item.task
        for item in step.run
    ]
    return " > ".join(parts)


def as_text(pipeline: Pipeline) -> str:
    """One block a step: what starts it, what runs, what it says, what follows."""
    lines = [f"{pipeline.name}: {pipeline.title}"]
    for step in pipeline.steps:
        lines += [
            f"  {step.name}  ({step.service})",
            f"    on     {step.on.name}",
            f"    run    {_chain(step)}",
            f"    emits  {step.emits.name}",
        ]
        if step.awaits:
            lines.append(f"    awaits {step.awaits.name}")
        lines.append(f"    then   {step.then.name if step.then else '(the pipeline ends)'}")
    return "\n".join(lines)


def as_mermaid(pipeline: Pipeline) -> str:
    """A flow chart that GitHub draws."""
    lines = ["flowchart TD", f'  start(["{pipeline.title}"]) --> {pipeline.steps[0].name}']
    for step in pipeline.steps:
        run = "<br>".join(_chain(step).replace(" > ", "\n").split("\n"))
        lines.append(f'  {step.name}["<b>{step.name}</b><br><i>{step.service}</i><br>{run}"]')
        if step.then:
            following = next(s for s in pipeline.steps if s.on is step.then)
            lines.append(f"  {step.name} -- {step.outcome.name} --> {following.name}")
        else:
            lines.append(f"  {step.name} -- {step.outcome.name} --> done([done])")
    return "\n".join(lines)


def as_json(pipeline: Pipeline) -> dict[str, Any]:
    """For programs."""
    return {
        "name": pipeline.name,
        "title": pipeline.title,
        "options": pipeline.options.model_json_schema(),
        "steps": [
            {
                "step": s.name,
                "service": s.service,
                "on": s.on.name,
                "run": [w.task for w in s.works()],
                "emits": s.emits.name,
                "awaits": s.awaits.name if s.awaits else None,
                "then": s.then.name if s.then else None,
            }
            for s in pipeline.steps
        ],
    }
