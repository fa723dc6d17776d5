"""A pipeline of no meaning, to see the flow at work: `python -m tests.shared.flow.probe_service`
is its worker.

What its tasks do is said in the task's own options, so that one worker serves every test.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any

from pydantic import Field

from shared.errors import Retryable, Terminal
from shared.events.base import DomainEvent
from shared.flow import worker
from shared.flow.work import Backoff, Job, Run, task
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Step, Work, parallel


class ProbeRequested(DomainEvent, name="EVENT_PROBE_REQUESTED"):
    """Begin."""

    plan: dict[str, Any]


class Probed(DomainEvent, name="EVENT_PROBED"):
    """Middle."""

    total: int


class ProbeSummaryRequested(DomainEvent, name="EVENT_PROBE_SUMMARY_REQUESTED"):
    """Go on."""

    plan: dict[str, Any]
    total: int


class ProbeSummarised(DomainEvent, name="EVENT_PROBE_SUMMARISED"):
    """End."""

    total: int


class ProbeOptions(Options):
    """What each task does: {task: {verb: value}}; and where it notes that it ran."""

    plan: dict[str, Any]
    file_path: str = ""  # the door asks it of every task


class ProbeJob(Job):
    """Counts what has been done."""

    plan: dict[str, Any]
    total: int = 0
    seen: list[str] = Field(default_factory=list)


PROBE = Pipeline(
    "probe",
    Step(
        "probe",
        on=ProbeRequested,
        run=("first", parallel("left", "right", then="join"), Work("last", 2)),
        emits=Probed,
        then=ProbeSummaryRequested,
    ),
    Step("probe", on=ProbeSummaryRequested, run=("summarise",), emits=ProbeSummarised),
    options=ProbeOptions,
    title="A probe of the flow",
)


def _do(name: str, job: ProbeJob, run: Run) -> ProbeJob:
    """Follow the plan for this task, and leave a mark for every time it ran."""
    marks = Path(job.plan["marks"])
    with (marks / f"{job.task_id}.log").open("a") as file:
        file.write(f"{name}\n")
    what = job.plan.get(name, {})
    ran = (marks / f"{job.task_id}.log").read_text().split().count(name)
    if what.get("kill_child") and ran <= what["kill_child"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if what.get("kill_worker") and ran <= what["kill_worker"]:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(5)
    if what.get("retry") and ran <= what["retry"]:
        raise Retryable("The probe wants another try.")
    if "fail" in what:
        raise Terminal(what["fail"])
    if "break" in what:
        raise ZeroDivisionError(what["break"])
    deadline = time.monotonic() + what.get("work_s", 0)
    while time.monotonic() < deadline:
        run.report(1 - (deadline - time.monotonic()) / what["work_s"], f"{name} works", depth=1.0)
        time.sleep(0.02)
    time.sleep(what.get("deaf_s", 0))
    return job.having(total=job.total + 1, seen=[*job.seen, name])


QUICK = Backoff(times=4, first_s=0.1, most_s=0.3)  # more than the three of Celery itself


@task(retry=QUICK)
def first(job: ProbeJob, run: Run) -> ProbeJob:
    return _do("first", job, run)


@task(retry=QUICK)
def left(job: ProbeJob, run: Run) -> ProbeJob:
    return _do("left", job, run)


@task(retry=QUICK)
def right(job: ProbeJob, run: Run) -> ProbeJob:
    return _do("right", job, run)


@task(retry=QUICK)
def join(jobs: list[ProbeJob], run: Run) -> ProbeJob:
    seen = sorted({name for job in jobs for name in job.seen})
    return _do("join", jobs[0].having(total=len(seen), seen=seen), run)


@task(retry=QUICK)
def last(job: ProbeJob, run: Run) -> ProbeJob:
    return _do("last", job, run)


@task(retry=QUICK)
def summarise(job: ProbeJob, run: Run) -> ProbeJob:
    return _do("summarise", job, run)


def install() -> None:
    """Make the probe a pipeline and a service of this process."""
    atlas.PIPELINES["probe"] = PROBE
    module = types.ModuleType("services.probe.tasks")
    for spec in (first, left, right, join, last, summarise):
        setattr(module, spec.name, spec)
    sys.modules["services.probe.tasks"] = module


if __name__ == "__main__":
    install()
    worker.main("probe")
