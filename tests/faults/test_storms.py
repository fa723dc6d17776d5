"""Whatever dies in the middle of work, every accepted task ends once, and nothing is left over."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Producer
from sqlalchemy import select

from shared.bus.topology import EVENTS, TASKS
from shared.db.models import Task
from shared.db.operation_models import Parked
from shared.flow import parking
from shared.flow.states import State
from tests.faults import faults, small_service
from tests.faults.__main__ import SETTLED_S, run
from tests.faults.mesh import Servers, SmallMesh, small_atlas
from tests.faults.report import table
from tests.faults.storm import storm

SHORT = {"embedded": faults.SHORT_EMBEDDED, "servers": faults.SHORT_SERVERS}
SUBMITTED = 30
STALLED_S = (
    3.0  # until what a server lost is sent again: ten, twice in a storm, are only waited for
)
LONGEST_S = 150.0  # of the short storm; a fault after that ends it
AT_LAST_S = 300  # three servers start, the storm, the wait for what is left: CI hangs no longer
REQUEST = small_service.SmallMakeRequested.name


@pytest.fixture(scope="module", params=list(SHORT))
def wiring(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def mesh(wiring: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallMesh]:
    """A mesh of its own on servers of its own: they are killed."""
    folder = tmp_path_factory.mktemp(wiring)
    servers = Servers(folder / "servers").start() if wiring == "servers" else None
    try:
        with small_atlas(), SmallMesh(folder / "mesh", servers, stalled_s=STALLED_S) as running:
            yield running
    finally:
        if servers is not None:
            servers.close()


@pytest.mark.timeout(AT_LAST_S)
def test_a_short_storm_loses_nothing(mesh: SmallMesh, wiring: str) -> None:
    report = storm(mesh, SHORT[wiring], tasks=SUBMITTED, seed=4, longest_s=LONGEST_S, apart_s=0.8)
    assert report.counts.problems == [], table([(wiring, report)])
    assert report.counts.succeeded + report.counts.failed.total() == SUBMITTED


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("wiring", list(SHORT))
def test_a_long_storm_loses_nothing(wiring: str, tmp_path: Path) -> None:
    report = run(wiring, tmp_path, tasks=400, seed=11)
    assert report.counts.problems == [], table([(wiring, report)])
    assert report.settled_s < SETTLED_S


def newer(task_id: str, **extra: object) -> bytes:
    """A request of a version that this one does not know."""
    known = {"task_id": task_id, "user_id": "u", "event_id": f"newer-{task_id}"}
    body = {**known, "file_path": "x", "kind": "fine", "work_s": 0.1, **extra}
    return json.dumps(body).encode()


UNREADABLE = {
    "torn": (b"{not json", "application/json"),
    "binary": (b"\xff\xfe\x00", "application/json"),
    "a list": (b"[1, 2]", "application/json"),
    "no text for a database": (b'{"task_id": "\\u0000", "event_id": "n"}', "application/json"),
    "pickle": (b"cos\nsystem\n(S'true'\ntR.", "application/x-python-serialize"),
}
NEWER = ({"schema_version": 2, "urgent": 1}, {"kind": "finest"})
WORK = (
    {},
    {"task": "small_make.fetch", "id": "x"},
    {"task": "small_make.unknown", "id": "y"},
)


def test_poison_is_parked_and_stops_nobody(mesh: SmallMesh) -> None:
    mesh.wait_until_ready()  # the storm may have ended with the death of the gateway
    before = parked_ids(mesh)
    for content, kind in UNREADABLE.values():
        publish(mesh, EVENTS, REQUEST, content, kind, {"event": REQUEST})
    for number, headers in enumerate(WORK):
        content = b"{not json %d" % number
        publish(mesh, TASKS, small_service.MAKE, content, "application/json", headers)
    running = [submitted(mesh, work_s=30.0) for _ in range(2)]
    for task_id, extra in zip(running, NEWER, strict=True):
        content = newer(task_id, **extra)
        publish(mesh, EVENTS, REQUEST, content, "application/json", {"event": REQUEST})
    parked = newly_parked(mesh, before, len(UNREADABLE) + len(WORK) + len(running))
    names = Counter((row.queue, row.name) for row in parked)
    assert names[f"{small_service.MAKE}.events", REQUEST] == len(UNREADABLE) + len(running)
    assert {row.name for row in parked} >= {"small_make.fetch", "small_make.unknown"}
    with mesh.platform.reads() as session:
        for task_id in running:
            task = session.get_one(Task, task_id)
            assert (task.state, task.error["code"]) == (State.FAILED, "Parked")
    assert still_works(mesh)


def publish(
    mesh: SmallMesh, exchange: str, key: str, content: bytes, kind: str, headers: dict[str, str]
) -> None:
    with Connection(mesh.platform.celery.conf.broker_url) as connection:
        Producer(connection, Exchange(exchange, "topic")).publish(
            content,
            routing_key=key,
            headers=headers,
            content_type=kind,
            content_encoding="binary" if b"\xff" in content else "utf-8",
        )


def parked_ids(mesh: SmallMesh) -> set[int]:
    with mesh.platform.reads() as session:
        return {row.id for row in parking.waiting(session)}


def newly_parked(mesh: SmallMesh, before: set[int], count: int) -> list[Parked]:
    deadline = time.monotonic() + 60
    new: list[Parked] = []
    while time.monotonic() < deadline:
        with mesh.platform.reads() as session:
            new = [row for row in parking.waiting(session) if row.id not in before]
        if len(new) >= count:
            return new
        time.sleep(0.05)
    found = [(row.name, row.content[:40]) for row in new]
    raise AssertionError(f"only {found} were parked\n" + mesh.tail(small_service.MAKE))


def submitted(mesh: SmallMesh, work_s: float) -> str:
    """A task that stays under way for a while."""
    from httpx import post

    answer = post(
        f"{mesh.url}/tasks/",
        json={
            "pipeline": "small",
            "file_path": "https://videos.example.org/x.mp4",
            "options": {"work_s": work_s},
        },
        headers={"Authorization": f"Bearer {mesh.key}"},
        timeout=30,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


def still_works(mesh: SmallMesh) -> bool:
    """The next task succeeds, and no worker has died."""
    task_id = submitted(mesh, 0.01)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with mesh.platform.reads() as session:
            state = session.scalar(select(Task.state).where(Task.id == task_id))
        if state == State.SUCCEEDED:
            return True
        time.sleep(0.05)
    raise AssertionError(f"{task_id} is {state}\n" + mesh.tail(small_service.MAKE))
