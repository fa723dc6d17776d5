"""Two services and a pipeline of quick work that leaves real files behind.

    fetch -> (left, right) -> join   in `small_make`
    (count, weigh) -> seal           in `small_seal`

Every file follows from the seed of its task alone, so that whoever looks afterwards can say whether
it is right. What is done is noted too, with the process that did it: work that ran twice is seen.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any, Literal

from shared.errors import Retryable, Terminal
from shared.events.base import DomainEvent
from shared.flow import beat
from shared.flow.work import Backoff, Job, Run, periodic, reaction, task
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline, Reaction, Step, parallel
from shared.platform import Platform
from shared.settings import Settings

MAKE, SEAL = "small_make", "small_seal"
REFUSED = "This task was made to fail."
TICK_S = 0.5
REPORT_S = 0.5
STALLED = "SMALL_MESH_STALLED_S"
"""The variable that says after how many seconds without a move the rest of a step is sent again."""
QUICK = Backoff(times=6, first_s=0.2, most_s=1.0)

Kind = Literal["fine", "retried", "failing", "poison"]


class SmallMakeRequested(DomainEvent, name="EVENT_SMALL_MAKE_REQUESTED"):
    """Make the parts."""

    file_path: str
    kind: Kind
    work_s: float


class SmallMade(DomainEvent, name="EVENT_SMALL_MADE"):
    """The parts are there."""

    digest: str


class SmallSealRequested(DomainEvent, name="EVENT_SMALL_SEAL_REQUESTED"):
    """Seal them."""

    digest: str
    kind: Kind
    work_s: float


class SmallSealed(DomainEvent, name="EVENT_SMALL_SEALED"):
    """All is done."""

    digest: str


class SmallOptions(Options):
    """What the person at the door says."""

    file_path: str
    kind: Kind = "fine"
    work_s: float = 0.01
    """How long each piece of work takes at least, seconds."""


class SmallJob(Job):
    """The digest so far."""

    kind: Kind
    work_s: float
    file_path: str = ""
    digest: str = ""


SMALL = Pipeline(
    "small",
    Step(
        MAKE,
        on=SmallMakeRequested,
        run=("fetch", parallel("left", "right", then="join")),
        emits=SmallMade,
        then=SmallSealRequested,
    ),
    Step(
        SEAL,
        on=SmallSealRequested,
        run=(parallel("count", "weigh", then="seal"),),
        emits=SmallSealed,
    ),
    options=SmallOptions,
    title="Quick work with real files",
)
WORKS = {"fetch", "left", "right", "join", "count", "weigh", "seal"}


def digest_of(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def expected(file_path: str) -> str:
    """The digest with which a task ends."""
    fetched = digest_of("fetch", file_path)
    joined = digest_of("join", digest_of("left", fetched), digest_of("right", fetched))
    return digest_of("seal", digest_of("count", joined), digest_of("weigh", joined))


def effect(data_dir: Path, task_id: str, work: str) -> Path:
    """The file that `work` of a task leaves."""
    return data_dir / "effects" / task_id / work


def runs_log(data_dir: Path) -> Path:
    """One line for every time that a piece of work began: task, work, process."""
    return data_dir / "runs.log"


def heard_log(data_dir: Path) -> Path:
    """One line for every event that the reaction was told of."""
    return data_dir / "heard.log"


def _append(path: Path, *words: object) -> None:
    """One line in one write, which other processes cannot break into."""
    line = " ".join(map(str, words)) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _take(work_s: float, run: Run, message: str) -> None:
    """Take that long, and report now and then, as all long work does: it hears when to give up."""
    ends_at = time.monotonic() + work_s
    while (left_s := ends_at - time.monotonic()) > 0:
        time.sleep(min(left_s, REPORT_S))
        run.report(0.5, message)


def _do(work: str, job: SmallJob, run: Run, *parts: str) -> SmallJob:
    data_dir = run.platform.settings.data_dir
    _append(runs_log(data_dir), job.task_id, work, os.getpid())
    if job.kind == "failing" and work == "join":
        raise Terminal(REFUSED)
    if job.kind == "retried" and work == "right" and run.tries == 1:
        raise Retryable("This task was made to try twice.")
    if job.kind == "poison" and work == "left":
        os.kill(os.getpid(), signal.SIGKILL)
    file = effect(data_dir, job.task_id, work)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    digest = digest_of(work, *parts)
    with part.open("w") as out:  # in two halves: a kill between them must leave nothing that counts
        out.write(digest[:32])
        out.flush()
        _take(job.work_s, run, f"{work} works")
        out.write(digest[32:])
    part.replace(file)
    return job.having(digest=digest)


@task(retry=QUICK)
def fetch(job: SmallJob, run: Run) -> SmallJob:
    return _do("fetch", job, run, job.file_path)


@task(retry=QUICK)
def left(job: SmallJob, run: Run) -> SmallJob:
    return _do("left", job, run, job.digest)


@task(retry=QUICK)
def right(job: SmallJob, run: Run) -> SmallJob:
    return _do("right", job, run, job.digest)


@task(retry=QUICK)
def join(jobs: list[SmallJob], run: Run) -> SmallJob:
    return _do("join", jobs[0], run, *(job.digest for job in jobs))


@task(retry=QUICK)
def count(job: SmallJob, run: Run) -> SmallJob:
    return _do("count", job, run, job.digest)


@task(retry=QUICK)
def weigh(job: SmallJob, run: Run) -> SmallJob:
    return _do("weigh", job, run, job.digest)


@task(retry=QUICK)
def seal(jobs: list[SmallJob], run: Run) -> SmallJob:
    return _do("seal", jobs[0], run, *(job.digest for job in jobs))


@reaction()
def hear(event: dict[str, Any], platform: Platform) -> None:
    _append(heard_log(platform.settings.data_dir), event["event_id"], event["name"])


@periodic
def tick(platform: Platform) -> None:
    """What beat sends: it only has to be taken."""
    (platform.settings.data_dir / "tick").touch()


def _ticks(settings: Settings) -> tuple[beat.Tick, ...]:
    del settings
    return (beat.Tick(MAKE, "tick", TICK_S),)


def install() -> None:
    """Make this pipeline the only one of this process."""
    atlas.PIPELINES.clear()
    atlas.PIPELINES["small"] = SMALL
    atlas.REACTIONS = (Reaction(SEAL, on=atlas.facts(), run="hear"),)
    beat.ticks = _ticks
    specs = {MAKE: (fetch, left, right, join, tick), SEAL: (count, weigh, seal, hear)}
    for service, tasks in specs.items():
        module = types.ModuleType(f"services.{service}.tasks")
        for spec in tasks:
            setattr(module, spec.name, spec)
        sys.modules[f"services.{service}.tasks"] = module
