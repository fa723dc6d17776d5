"""Submits tasks through the door while faults happen, waits for the end, and counts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from tests.faults.counts import Counts, count, unfinished
from tests.faults.faults import Fault
from tests.faults.mesh import SmallMesh

OPEN_AT_MOST = 100  # tasks under way at the same time; more only wait
LOOK_EVERY_S = 0.2
LATER = {429, 503, 507}  # what the door may say while something is away or full; never 500


@dataclass
class Report:
    """How the storm went; all times in seconds."""

    counts: Counts
    faults: list[tuple[float, str]]
    storm_s: float
    settled_s: float
    """From the end of the last fault until the last task had ended."""


class Submitter(threading.Thread):
    """A person who submits again until the door says yes, under one key, and so never twice."""

    def __init__(self, mesh: SmallMesh, tasks: int, work_s: float) -> None:
        super().__init__(daemon=True)
        self.accepted: list[str] = []
        self.repeated = 0
        self._mesh, self._tasks, self._work_s = mesh, tasks, work_s
        self.stopped = threading.Event()
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            with httpx.Client(
                base_url=self._mesh.url,
                headers={"Authorization": f"Bearer {self._mesh.key}"},
                timeout=20,
            ) as door:
                for number in range(self._tasks):
                    while number % 10 == 0 and self._under_way() > OPEN_AT_MOST:
                        if self.stopped.wait(LOOK_EVERY_S):
                            return
                    self.accepted.append(self._submit(door, number))
        except Exception as error:  # noqa: BLE001 - told by the main thread
            self.problem = error

    def _under_way(self) -> int:
        try:
            return unfinished(self._mesh)
        except Exception:  # noqa: BLE001 - the database is away: wait
            return OPEN_AT_MOST + 1

    def _submit(self, door: httpx.Client, number: int) -> str:
        wish = {
            "pipeline": "small",
            "file_path": f"https://videos.example.org/{number}.mp4",
            "options": {"kind": kind_of(number), "work_s": self._work_s},
        }
        while not self.stopped.is_set():
            try:
                answer = door.post("/tasks/", json=wish, headers={"Idempotency-Key": f"k{number}"})
            except httpx.TransportError:
                self.repeated += 1
                self.stopped.wait(LOOK_EVERY_S)
                continue
            if answer.status_code == 202:
                return str(answer.json()["task_id"])
            if answer.status_code not in LATER:
                raise AssertionError(f"The door said {answer.status_code}: {answer.text}")
            self.repeated += 1
            self.stopped.wait(LOOK_EVERY_S)
        raise TimeoutError(f"Task {number} was not accepted in time")


def kind_of(number: int) -> str:
    """Every 25th task fails by itself, some must be tried again, a few kill their process."""
    if number % 25 == 7:
        return "failing"
    if number % 25 == 11:
        return "retried"
    return "poison" if number % 250 == 13 else "fine"


def storm(
    mesh: SmallMesh,
    faults: Sequence[Fault],
    *,
    tasks: int,
    seed: int,
    work_s: float = 0.01,
    longest_s: float = 480.0,
    apart_s: float = 0.0,
) -> Report:
    """Spread `faults` in random order over the submission of `tasks`; then wait, and count.

    Args:
        apart_s: rest between two faults; without it some come at the same moment.
    """
    chance = random.Random(seed)
    order = chance.sample(list(faults), len(faults))
    begun = time.monotonic()
    deadline = begun + longest_s
    submitter = Submitter(mesh, tasks, work_s)
    submitter.start()
    happened: list[tuple[float, str]] = []
    try:
        for number, fault in enumerate(order):
            due = tasks * (number + chance.random()) / (len(order) + 1)
            while len(submitter.accepted) < due:
                _check(mesh, submitter, deadline)
                time.sleep(0.02)
            happened.append((time.monotonic() - begun, fault.name))
            fault.do(mesh, chance)
            time.sleep(apart_s)
        last = time.monotonic()
        while submitter.is_alive() or unfinished(mesh):
            _check(mesh, submitter, deadline)
            time.sleep(LOOK_EVERY_S)
        ended = time.monotonic()
    finally:
        submitter.stopped.set()
        submitter.join()
    return Report(count(mesh, submitter.accepted), happened, last - begun, ended - last)


def _check(mesh: SmallMesh, submitter: Submitter, deadline: float) -> None:
    if submitter.problem is not None:
        raise submitter.problem
    if time.monotonic() > deadline:
        raise AssertionError(
            f"{len(submitter.accepted)} tasks accepted, {unfinished(mesh)} have not ended.\n"
            + mesh.tail()
        )
