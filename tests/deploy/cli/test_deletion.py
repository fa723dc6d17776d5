"""`actverse delete` against a real gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from shared.flow import clock, deletion
from tests.shared.web.door import Door


@pytest.fixture
def ended(door: Door) -> str:
    """A task of the admin that was cancelled, with a file."""
    task_id = door.submit("admin")
    door.keep(f"videos/{task_id}/source.mp4", b"0123456789" * 100_000)
    with door.client() as admin:
        admin.post(f"/tasks/{task_id}/cancel").raise_for_status()
    return task_id


@pytest.fixture
def clocked(door: Door) -> Iterator[None]:
    """The part of the clock that deletes."""
    stopped = threading.Event()
    duties = (clock.Duty(deletion.finish, every_s=0.1, aside=True),)
    thread = threading.Thread(target=clock.run, args=(door.platform, stopped, duties))
    thread.start()
    yield
    stopped.set()
    thread.join(30)


def test_it_says_what_would_go_and_asks(door: Door, actverse, ended: str) -> None:
    looked = actverse("delete", ended, "--dry-run")
    assert looked.exit_code == 0
    assert f"{ended}: 1 files, 1.00 MB" in looked.output
    assert "1 tasks" in looked.output
    kept = actverse("delete", ended)  # nobody answers
    assert kept.exit_code == 1
    assert door.platform.storage.exists(f"videos/{ended}/source.mp4")


@pytest.mark.usefixtures("clocked")
def test_it_waits_until_the_task_is_gone(door: Door, actverse, ended: str) -> None:
    gone = actverse("delete", ended, "--yes")
    assert (gone.exit_code, f"{ended} is gone" in gone.output) == (0, True)
    assert not door.platform.storage.exists(f"videos/{ended}/source.mp4")
    again = actverse("delete", ended, "--yes")
    assert (again.exit_code, "no task" in str(again.exception)) == (1, True)


def test_one_that_is_at_work_is_kept_and_the_reason_told(door: Door, actverse) -> None:
    task_id = door.submit("admin")
    refused = actverse("delete", task_id, "--yes")
    assert (refused.exit_code, "cancel it first" in refused.output) == (1, True)
    told = actverse("delete", task_id, "--dry-run", "--json")
    assert "cancel it first" in json.loads(told.output)["refused"]
    assert "--dry-run" in str(actverse("delete", task_id, "--json").exception)
