"""The whole way with a real worker and beat: from POST /tasks/ to a program of somebody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from services.notification import deliveries
from services.notification.sender import Sender
from shared.db.models import now
from shared.db.operation_models import WebhookDelivery
from tests.services.notification.conftest import LOOPBACK, Desk, until
from tests.services.notification.receiver import Receiver, verified
from tests.shared.web.door import VIDEO_URL, Door

ROOT = Path(__file__).resolve().parents[3]


class Processes:
    """What runs beside the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *module: str) -> subprocess.Popen[bytes]:
        env = os.environ | {
            "ACTVERSE_DATA_DIR": str(self.folder),
            "ACTVERSE_NETWORK__ALLOW": '["127.0.0.0/8"]',
            "ACTVERSE_NOTIFY__POLL_S": "0.3",
            "ACTVERSE_NOTIFY__TIMEOUT_S": "20",
            "PYTHONPATH": str(ROOT),
        }
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    running = Processes(tmp_path)
    yield running
    for process in tuple(running.running):
        running.kill(process)


def test_a_call_survives_the_worker_that_made_it(
    tmp_path: Path, processes: Processes, program: Receiver
) -> None:
    with (
        Door.opened(tmp_path, network={"allow": LOOPBACK}) as door,
        door.client("ann") as ann,
    ):
        desk = Desk(door)
        slow = {"url": program.hangs("/slow"), "events": ["EVENT_TASK_SUBMITTED"]}
        secret = ann.post("/webhooks", json=slow).json()["secret"]
        ann.post("/webhooks", json={"url": f"{program.url}/quick"})
        worker = processes.start("shared.flow.worker", "notification")
        task_id = ann.post("/tasks/", json={"file_path": VIDEO_URL}).json()["task_id"]
        until(lambda: program.at("/slow") and program.at("/quick"), within_s=40)
        other = ann.post("/tasks/", json={"file_path": VIDEO_URL}).json()["task_id"]
        desk.settled(other)  # the worker is not held by the slow one
        processes.kill(worker)
        program.answers("/slow", 204)
        with door.platform.sessions.begin() as session:  # the lease of the dead is over
            session.execute(
                update(WebhookDelivery)
                .where(WebhookDelivery.state == "PENDING")
                .values(due_at=now())
            )
        processes.start("shared.flow.worker", "notification")
        processes.start("shared.flow.beat")
        desk.settled(task_id, count=2, within_s=40)
        desk.settled(other, count=2)
    calls = [call for call in program.at("/slow") if call.json["data"]["task_id"] == task_id]
    assert len(calls) == 2
    assert len({call.id for call in calls}) == 1
    assert all(verified(call, secret) for call in calls)
    assert len(program.at("/quick")) == 2


def test_the_same_on_postgresql(postgres_url: str, tmp_path: Path, program: Receiver) -> None:
    with Door.opened(
        tmp_path, database=postgres_url, network={"allow": LOOPBACK}, notify={"timeout_s": 2.0}
    ) as door:
        desk = Desk(door)
        with door.client("ann") as ann:
            ann.post("/webhooks", json={"url": program.answers("/flaky", 500, 204)})
            ann.post("/webhooks", json={"url": f"{program.url}/pair"})
            page = f"json://{program.url.partition('://')[2]}/news"
            ann.put("/notifications", json={"urls": [page], "steps": ["all"]})
        tasks = [door.submit("ann") for _ in range(6)]
        for task_id in tasks:
            desk.hear(task_id)
            desk.hear(task_id)
        senders = [Sender(door.platform), Sender(door.platform)]
        for sender in senders:
            sender.kick()
        for task_id in tasks:
            desk.settled(task_id, count=2)
        desk.later()
        for task_id in tasks:
            desk.settled(task_id, count=3)
        pair = [call.json["data"]["task_id"] for call in program.at("/pair")]
        assert sorted(pair) == sorted(tasks)
        assert len(program.at("/news")) == len(tasks)
        assert len(program.at("/flaky")) == len(tasks) + 1
        with door.platform.sessions.begin() as session:
            deliveries.forget_old(session)
            assert deliveries.due(session) == []
