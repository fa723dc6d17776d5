"""A Step of the map as a Celery canvas: a chain, with a chord for each `parallel`."""

from __future__ import annotations

from typing import Any

from celery import Celery, chain, chord, group
from celery.canvas import Signature

from shared.flow.claims import WorkRef
from shared.pipelines.dsl import Parallel, Step, Work


def canvas(app: Celery, step: Step, ref: WorkRef, job: dict[str, Any]) -> Signature:
    """Compile `step`; `job` goes to the first task, or to all of a leading `parallel`."""
    works = step.works()
    carried = ref.model_dump()

    def signature(work: Work, *, first: bool, in_header: bool = False) -> Signature:
        return app.signature(
            f"{step.service}.{work.task}",
            args=(job,) if first else (),
            kwargs={"ref": carried, "last": work is works[-1]},
            queue=step.service,
            task_id=f"{ref.token}.{work.task}",
            # only a chord asks for results; what else wants to know them looks into the database
            ignore_result=not in_header,
            argsrepr="(job)",  # Celery would spell it out, every time, for whoever looks
            kwargsrepr="{ref}",
        )

    if not any(isinstance(item, Parallel) for item in step.run):
        # What Celery's own chain comes to, without the copies that it makes of every link.
        head, *rest = (signature(work, first=work is works[0]) for work in works)
        return head.set(chain=rest[::-1]) if rest else head
    links: list[Signature] = []
    for index, item in enumerate(step.run):
        first = index == 0
        if isinstance(item, Parallel):
            header = group([signature(work, first=first, in_header=True) for work in item.tasks])
            links.append(chord(header, signature(item.then, first=False)))
        else:
            links.append(signature(item, first=first))
    return links[0] if len(links) == 1 else chain(*links)
