"""Nine tasks that do nothing, three ways; `python -m tests.bench.noop_service step|bare` is a worker.

`step` serves the pipelines `noop_step` (nine tasks in one step) and `noop_steps` (nine steps of one
task) with all promises of the mesh; `bare` serves a task of plain Celery, with the same settings of
the same broker, and nothing else.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from celery import Celery, chain
from celery.canvas import Signature
from pydantic import create_model

from shared import log, wiring
from shared.events.base import DomainEvent
from shared.flow import worker
from shared.flow.work import Job, Run, TaskSpec, task
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Reaction, Step
from shared.settings import Settings

TASKS = 9
SERVICE = "noop"
WORKER_ARGUMENTS = [
    "--concurrency=1",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "--pool=prefork",
    "--optimization=fair",
]


class NoopOptions(Options):
    """Nothing to say."""


class NoopJob(Job):
    """Nothing to carry."""


class NoopRequested(DomainEvent, name="EVENT_NOOP_REQUESTED"):
    """Begin the step of nine tasks."""


class NoopDone(DomainEvent, name="EVENT_NOOP_DONE"):
    """All nine have run."""


def _event(name: str) -> type[DomainEvent]:
    return create_model(
        name, __base__=DomainEvent, __module__=__name__, __cls_kwargs__={"name": f"EVENT_{name}"}
    )


REQUESTS = [_event(f"NOOP_{number}_REQUESTED") for number in range(TASKS)]
FACTS = [_event(f"NOOP_{number}_DONE") for number in range(TASKS)]

ONE_STEP = Pipeline(
    "noop_step",
    Step(
        SERVICE,
        on=NoopRequested,
        run=tuple(f"noop_{number}" for number in range(TASKS)),
        emits=NoopDone,
    ),
    options=NoopOptions,
    title="Nine tasks that do nothing, in one step",
)
NINE_STEPS = Pipeline(
    "noop_steps",
    *(
        Step(
            SERVICE,
            on=REQUESTS[number],
            run=(f"noop_{number}",),
            emits=FACTS[number],
            then=REQUESTS[number + 1] if number + 1 < TASKS else None,
        )
        for number in range(TASKS)
    ),
    options=NoopOptions,
    title="Nine steps that do nothing",
)


def _noop(name: str) -> TaskSpec:
    def noop(job: NoopJob, run: Run) -> NoopJob:
        del run
        return job

    noop.__annotations__ = {"job": NoopJob, "run": Run, "return": NoopJob}
    noop.__name__ = name
    return task()(noop)


def install() -> None:
    """Make the two pipelines and their service known to this process."""
    module = types.ModuleType(f"services.{SERVICE}.tasks")
    if module.__name__ in sys.modules:
        return
    for number in range(TASKS):
        setattr(module, f"noop_{number}", _noop(f"noop_{number}"))
    sys.modules[module.__name__] = module
    for pipeline in (ONE_STEP, NINE_STEPS):
        atlas.PIPELINES[pipeline.name] = pipeline
    hears_all = Reaction("notification", on=atlas.facts(), run="deliver")
    atlas.REACTIONS = (hears_all,)  # as in the mesh, every fact goes to somebody's queue


def bare_app(settings: Settings) -> Celery:
    """Plain Celery on the broker of `settings`, with a task that returns what it got."""
    app = wiring.celery_app(settings, SERVICE)

    def noop(job: dict[str, Any]) -> dict[str, Any]:
        return job

    app.task(name="bare.noop")(noop)
    return app


def bare_chain(app: Celery) -> Signature:
    """Nine of them in a chain."""
    first = app.signature("bare.noop", args=({"task_id": "bench", "user_id": "bench"},))
    return chain(first, *(app.signature("bare.noop") for _ in range(TASKS - 1)))


def main(kind: str) -> None:
    """Be a worker of that kind until told to end."""
    install()
    if kind == "step":
        worker.main(SERVICE)
        return
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service=SERVICE)
    app = bare_app(settings)
    app.worker_main(["worker", f"--loglevel={settings.log_level}", *WORKER_ARGUMENTS])


if __name__ == "__main__":
    main(sys.argv[1])
