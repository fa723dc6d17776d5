"""Kills processes of a mesh at chosen moments of a task, and looks whether its results are one set."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import func, select

from deploy.cli.client import Client, Refused
from deploy.local.mesh import Mesh
from shared import wiring
from shared.db.models import (
    Deployment,
    Epoch,
    Model,
    Outgoing,
    Output,
    StepRun,
    Task,
    TaskEvent,
    WorkRun,
)
from shared.errors import Unavailable
from shared.events import lifecycle
from shared.flow import parking
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.settings import Settings

LOOK_EVERY_S = 0.02
LONGEST_S = 180.0


@dataclass(frozen=True)
class Moment:
    """When `work` of `step` has begun and come to `progress`; no work: while the step waits."""

    step: str
    work: str | None = None
    progress: float = 0.0


@dataclass(frozen=True)
class Kill:
    """Who dies, and when. `child`: the pool child at that work, or Triton's model process."""

    program: str
    moment: Moment
    child: bool = False

    def __str__(self) -> str:
        who = f"{self.program} child" if self.child else self.program
        return f"{who}, {self.moment.work or self.moment.step}"


class Witness:
    """Looks into the files of a mesh, from outside."""

    def __init__(self) -> None:
        self.platform = wiring.build(Settings())
        self.data = self.platform.settings.data_dir

    def close(self) -> None:
        self.platform.engine.dispose()

    def state(self, task_id: str) -> State:
        with self.platform.reads() as session:
            return State(session.get_one(Task, task_id).state)

    def unsent(self) -> int:
        """Events in the outbox that are not published."""
        with self.platform.reads() as session:
            asked = select(func.count()).select_from(Outgoing)
            return session.scalar(asked.where(Outgoing.published_at.is_(None))) or 0

    def worker_at(self, task_id: str, moment: Moment) -> int | None:
        """The process at that work (0: nobody any more); None: the moment has not come."""
        with self.platform.reads() as session:
            run = session.scalar(select(StepRun).filter_by(task_id=task_id, name=moment.step))
            if run is None:
                return None
            if moment.work is None:
                return 0 if run.state == State.WAITING else None
            work = session.get(WorkRun, (run.id, moment.work))
        if work is None or work.progress < moment.progress:
            return None
        return int(work.holder.split(":")[1]) if work.holder else 0

    def wait(self, task_id: str, until: Callable[[], bool] | None = None) -> None:
        done = until or (lambda: self.state(task_id) in ENDED)
        deadline = time.monotonic() + LONGEST_S
        while not done():
            assert time.monotonic() < deadline, f"{task_id} is {self.state(task_id)}"
            time.sleep(LOOK_EVERY_S)

    def wait_for(self, task_id: str, moment: Moment) -> int:
        """The process at that work, once it is at it."""
        found: list[int] = []

        def now() -> bool:
            pid = self.worker_at(task_id, moment)
            found.extend([] if pid is None else [pid])
            assert found or self.state(task_id) not in ENDED, f"the task ended before {moment}"
            return bool(found)

        self.wait(task_id, now)
        return found[0]


def kill(witness: Witness, mesh: Mesh, task_id: str, what: Kill) -> None:
    """Wait for the moment, then kill -9, and wait until the supervisor has started another."""
    worker = witness.wait_for(task_id, what.moment)
    program = next(p for p in mesh.supervisor.programs if p.name == what.program)
    while not program.runs:  # it may just be starting again after another kill
        time.sleep(LOOK_EVERY_S)
    assert program.process
    victim = program.process.pid
    if what.child:  # that work may have been too short for us
        victim = worker or psutil.Process(victim).children()[0].pid
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
        if not what.child:
            program.process.wait()


def wait_until_ready(client: Client) -> None:
    """A gateway that was killed is back."""
    deadline = time.monotonic() + 30
    while True:
        try:
            client.call("GET", "/health")
        except (Unavailable, Refused):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def assert_one_set(witness: Witness, task_id: str) -> None:
    """The task succeeded, and everything that it made is there once."""
    with witness.platform.reads() as session:
        task = session.get_one(Task, task_id)
        assert task.state == State.SUCCEEDED, task.error
        pipeline = atlas.PIPELINES[task.pipeline]
        runs = session.scalars(select(StepRun).filter_by(task_id=task_id)).all()
        assert Counter(r.name for r in runs) == Counter(s.name for s in pipeline.steps)
        assert {(r.state, r.attempt) for r in runs} == {(State.SUCCEEDED, 1)}
        works = session.scalars(select(WorkRun).join(StepRun).filter_by(task_id=task_id)).all()
        assert {(w.state, w.holder) for w in works} == {(State.SUCCEEDED, None)}
        assert len(works) == sum(len(s.works()) for s in pipeline.steps)
        told = session.scalars(select(TaskEvent).filter_by(task_id=task_id, kind="state")).all()
        succeeded = Counter(e.step for e in told if e.data["state"] == State.SUCCEEDED)
        assert succeeded == Counter([None, *(s.name for s in pipeline.steps)])
        facts = session.scalars(select(Outgoing).filter_by(task_id=task_id)).all()
        assert Counter(f.name for f in facts) == Counter(_events(pipeline.name))
        epochs = session.scalars(select(Epoch.epoch).filter_by(task_id=task_id)).all()
        assert sorted(epochs) == list(range(1, task.options["training"]["epochs"] + 1))
        for table in (Model, Deployment):
            made = session.scalar(
                select(func.count()).select_from(table).filter_by(task_id=task_id)
            )
            assert made == 1, table.__tablename__
        outputs = set(session.scalars(select(Output.name).filter_by(task_id=task_id)))
    results = witness.data / "inference_results" / task_id
    chunks = {f"chunks/{p.name}" for p in (results / "chunks").iterdir()}
    assert outputs == {"results.csv", "results.json", "overlaid_results.mp4"} | chunks
    assert [p.name for p in (witness.data / "models" / f"task-{task_id}").glob("[0-9]*")] == ["1"]
    served = witness.platform.settings.model.repository / f"task-{task_id}"
    assert [p.name for p in served.glob("[0-9]*")] == ["1"]
    _assert_rows(results, frames=int(task.context["frames"]))
    assert_quiet(witness)


def _events(pipeline: str) -> set[str]:
    """The names of all events of a task that went well."""
    steps = atlas.PIPELINES[pipeline].steps
    kinds = {s.on for s in steps} | {s.emits for s in steps} | {s.outcome for s in steps}
    return {k.name for k in kinds | {lifecycle.TaskSubmitted, lifecycle.TaskCompleted}}


def _assert_rows(results: Path, frames: int) -> None:
    """Every frame once and in order, the same rows in all forms, no row twice."""
    whole = json.loads((results / "results.json").read_text())
    assert [f["frame"] for f in whole["frames"]] == list(range(frames))
    chunks = sorted((results / "chunks").iterdir(), key=lambda p: (len(p.name), p.name))
    parts = [json.loads(p.read_text())["frames"] for p in chunks]
    assert [f for part in parts for f in part] == whole["frames"]
    rows = list(csv.DictReader((results / "results.csv").open()))
    assert [int(r["frame"]) for r in rows] == [
        f["frame"] for f in whole["frames"] for _ in f["detections"]
    ]
    tracked = [(r["frame"], r["track_id"]) for r in rows if r["track_id"] not in {"", "0"}]
    assert len(set(tracked)) == len(tracked)


def assert_quiet(witness: Witness) -> None:
    """Nothing is parked, and soon nothing waits: second copies step aside within seconds."""
    deadline = time.monotonic() + 20
    while busy := [q for q in witness.platform.broker.loads() if q.running or q.pending]:
        assert time.monotonic() < deadline, busy
        time.sleep(LOOK_EVERY_S)
    while witness.unsent():
        assert time.monotonic() < deadline
        time.sleep(LOOK_EVERY_S)
    with witness.platform.reads() as session:
        assert parking.by_queue(session) == {}
