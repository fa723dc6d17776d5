"""A Step of the map as a Celery canvas: a chain, with a chord for each `parallel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery, chain, chord, group
from celery.canvas import Signature

from shared.bus.topology import named
from shared.flow.claims import WorkRef
from shared.pipelines.dsl import Parallel, Step, Work
from shared.telemetry import tracing

Job = dict[str, Any]
CONFIRM_S = 10.0  # a broker that says nothing for so long is asked again over another connection


def canvas(app: Celery, step: Step, ref: WorkRef, job: Job) -> Signature:
    """Compile `step`; `job` goes to the first task, or to all of a leading `parallel`."""
    return _compile(app, step, ref, step.run, job)


def rest(
    app: Celery, step: Step, ref: WorkRef, job: Job, done: Mapping[str, Job]
) -> list[Signature]:
    """What of `step` is still to be done, to be sent as it is; `done`: results by task.

    Without a chord at its head, so that it needs no result backend: the missing parts of a
    `parallel` are sent one by one, and what follows them once all are done.
    """
    for position, item in enumerate(step.run):
        following = step.run[position + 1 :]
        if isinstance(item, Parallel):
            missing = [work for work in item.tasks if work.task not in done]
            if missing:
                return [_signature(app, step, ref, work, job) for work in missing]
            if item.then.task not in done:
                jobs = [done[work.task] for work in item.tasks]
                return [_compile(app, step, ref, (item.then, *following), jobs)]
            job = done[item.then.task]
        elif item.task not in done:
            return [_compile(app, step, ref, (item, *following), job)]
        else:
            job = done[item.task]
    return []


def _compile(
    app: Celery,
    step: Step,
    ref: WorkRef,
    items: Sequence[Work | Parallel],
    job: Job | list[Job],
) -> Signature:
    if not any(isinstance(item, Parallel) for item in items):
        # What Celery's own chain comes to, without the copies that it makes of every link.
        head, *links = (
            _signature(app, step, ref, item, job if item is items[0] else None)
            for item in items
            if isinstance(item, Work)
        )
        return head.set(chain=links[::-1]) if links else head
    parts: list[Signature] = []
    for item in items:
        given = None if parts else job
        if isinstance(item, Parallel):
            header = group(
                [_signature(app, step, ref, work, given, in_header=True) for work in item.tasks]
            )
            parts.append(chord(header, _signature(app, step, ref, item.then, None)))
        else:
            parts.append(_signature(app, step, ref, item, given))
    return parts[0] if len(parts) == 1 else chain(*parts)


def _signature(
    app: Celery,
    step: Step,
    ref: WorkRef,
    work: Work,
    job: Job | list[Job] | None,
    *,
    in_header: bool = False,
) -> Signature:
    """`job` is None where the task before hands its result on."""
    return app.signature(
        f"{step.service}.{work.task}",
        args=() if job is None else (job,),
        kwargs={"ref": ref.model_dump(), "last": work is step.works()[-1]},
        queue=named(step.service),
        task_id=f"{ref.token}.{work.task}",
        mandatory=True,  # without it a broker drops in silence what no queue takes
        confirm_timeout=CONFIRM_S,
        # only a chord asks for results; what else wants to know them looks into the database
        ignore_result=not in_header,
        **tracing.carried(),
        argsrepr="(job)",  # Celery would spell it out, every time, for whoever looks
        kwargsrepr="{ref}",
    )
