"""RabbitMQ's disk is lost: what docs/production.md says happens then, and what to do."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from shared.flow.states import State
from shared.pipelines import atlas
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.shared.flow import probe_service
from tests.shared.flow.conftest import ProbeMesh
from tests.shared.flow.test_flow import ALL

WITHIN_S = 120.0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_tasks_go_on_although_every_message_is_lost(
    tmp_path: Path, postgres: Postgres, redis_server: Redis
) -> None:
    probe_service.install()
    with RabbitMQ(tmp_path / "rabbitmq") as rabbitmq:
        (tmp_path / "mesh").mkdir()
        mesh = ProbeMesh(
            tmp_path / "mesh",
            broker=rabbitmq.fresh(),
            database=postgres.fresh(),
            cache=redis_server.fresh(61),
        )
        try:
            mesh.start_worker()
            at_work = mesh.submit(first={"work_s": 4.0})
            mesh.wait(at_work, lambda task: task.state == State.RUNNING)
            rabbitmq.kill()
            shutil.rmtree(rabbitmq.folder / "mnesia")
            accepted_meanwhile = mesh.submit()
            rabbitmq.start()
            mesh.platform.broker.apply()  # the remedy: actverse migrate
            for task_id in (at_work, accepted_meanwhile):
                assert _ended(mesh, task_id) == State.SUCCEEDED, mesh.look(task_id)
                assert set(mesh.ran(task_id)) == set(ALL)
            assert mesh.ran(accepted_meanwhile).count("first") == 1
            assert list(mesh.platform.broker.verify()) == []
        finally:
            mesh.stop()
            atlas.PIPELINES.pop("probe", None)


def _ended(mesh: ProbeMesh, task_id: str) -> str:
    deadline = time.monotonic() + WITHIN_S
    while (state := mesh.look(task_id)[0].state) in {State.QUEUED, State.RUNNING}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return state
