"""An account is deleted with all that it owns, and with nothing of others."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import func, select

from shared.db.base import Base
from shared.db.models import Model, Output, Task, User
from shared.db.operation_models import Webhook
from shared.db.speech_models import Actor, AnalysisResult, Bookmark, Token
from shared.flow import clock, deletion, leaving
from shared.flow.states import State
from tests.services.api_gateway.people import (
    QUICK,
    Person,
    door_on,
    log_in,
    person,
    registered,
    renew,
    until,
)
from tests.shared.web.door import Door


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    with door_on(request, tmp_path_factory.mktemp("data"), QUICK) as opened:
        yield opened


def rows_of(door: Door, user_id: str) -> dict[str, int]:
    """What any table says about somebody."""
    found = {}
    with door.platform.reads() as session:
        for table in Base.metadata.sorted_tables:
            column = table.c.id if table is User.__table__ else table.c.get("user_id")
            if column is not None:
                query = select(func.count()).select_from(table).where(column == user_id)
                found[table.name] = session.scalar(query)
    return {name: count for name, count in found.items() if count}


def files_of(door: Door, *needles: str) -> list[str]:
    return [key for key in door.platform.storage.list() if any(n in key for n in needles)]


def ended_task(door: Door, name: str) -> str:
    task_id = door.submit(name)
    door.keep(f"inputs/{task_id}/recording.wav", b"sound")
    door.keep(f"outputs/{task_id}/results.csv", b"a,b")
    with door.platform.sessions.begin() as session:
        session.get_one(Task, task_id).state = State.SUCCEEDED
        given = {"uri": "u", "bytes": 3, "sha256": "0", "content_type": "text/csv"}
        key = f"outputs/{task_id}/results.csv"
        session.add(Output(task_id=task_id, name="results.csv", key=key, **given))
    return task_id


def owner(door: Door, name: str) -> tuple[Person, list[str]]:
    """Somebody who owns a little of everything, and what their files are named after."""
    somebody = person(door, name)
    assert somebody.ask("POST", "/auth/keys", json={}).status_code == 201
    sent = somebody.ask("POST", "/uploads/", files={"file": ("a.mp4", b"\x00" * 64, "video/mp4")})
    upload = sent.json()["file_path"].removeprefix("upload://").partition("/")[0]
    door.keep(f"files/{somebody.id}/copy.csv", b"copy")
    task_id = ended_task(door, name)
    with door.platform.sessions.begin() as session:
        actor = session.scalar(select(Actor)) or Actor(name="An actor", searched="an actor")
        session.add(actor)
        session.flush()
        line = Token(actor_id=actor.id, film="A film", text="A line", searched="a line")
        session.add(line)
        session.flush()
        session.add(Webhook(user_id=somebody.id, url="https://x.org/", secret="s", events=[]))
        session.add(Bookmark(user_id=somebody.id, token_id=line.id))
        session.add(
            AnalysisResult(
                job_id=task_id,
                user_id=somebody.id,
                token_id=line.id,
                recording_key=f"inputs/{task_id}/recording.wav",
                recording_sha256="0",
            )
        )
    return somebody, [somebody.id, task_id, upload]


def finish(door: Door) -> None:
    """What the clock does, twice: tasks go first."""
    for _ in range(2):
        deletion.finish(door.platform)
        leaving.finish(door.platform)


def test_everything_goes_and_the_name_is_free_again(door: Door) -> None:
    stays, others = owner(door, "stays")
    goes, own = owner(door, "goes")
    before = rows_of(door, stays.id), files_of(door, *others)
    key = goes.ask("POST", "/auth/keys", json={}).json()["key"]

    asked = goes.ask("DELETE", "/mypage", params={"dry_run": True})
    assert asked.status_code == 200
    told = asked.json()
    assert told | {"dry_run": True, "tasks": 1, "at_work": 0, "files": 4, "refused": None} == told
    assert told["bytes"] == 5 + 3 + 64 + 4
    expected = {"api_keys", "uploads", "bookmarks", "analysis_results", "passwords", "tasks"}
    assert expected <= set(told["rows"])
    assert rows_of(door, goes.id) == told["rows"], "nothing has changed"

    assert goes.ask("DELETE", "/mypage").status_code == 202
    assert log_in(goes.http, "goes").status_code == 401
    assert renew(goes.http, goes.refresh).status_code == 401
    assert (
        httpx.get(f"{door.url}/tasks/", headers={"X-API-Key": key}, timeout=30).status_code == 401
    )
    assert registered(goes.http, "goes").status_code == 409, "the name is free when all is gone"
    finish(door)
    assert rows_of(door, goes.id) == {}
    assert files_of(door, *own) == []
    assert (rows_of(door, stays.id), files_of(door, *others)) == before
    again = person(door, "goes")
    assert again.id != goes.id
    assert again.get("/tasks/").json()["items"] == []


def test_what_is_at_work_is_cancelled_first(door: Door) -> None:
    busy = person(door, "busy")
    running = door.submit("busy")
    door.begin(running)
    waiting = door.submit("busy")
    told = busy.ask("DELETE", "/mypage").json()
    assert (told["tasks"], told["at_work"]) == (2, 2)
    with door.platform.reads() as session:
        states = {session.get_one(Task, task_id).state for task_id in (running, waiting)}
    assert states <= {State.CANCELLED, State.DELETING}
    finish(door)
    assert rows_of(door, busy.id) == {}


def test_what_is_submitted_at_the_last_moment_goes_too(door: Door) -> None:
    late = person(door, "late")
    late.ask("DELETE", "/mypage")
    task_id = door.submit("late")
    leaving.finish(door.platform)
    finish(door)
    assert rows_of(door, late.id) == {}
    with door.platform.reads() as session:
        assert session.get(Task, task_id) is None


def test_an_account_stays_while_others_need_its_model(door: Door) -> None:
    lender = person(door, "lender")
    lent, user = ended_task(door, "lender"), ended_task(door, "borrower")
    with door.platform.sessions.begin() as session:
        session.add(
            Model(
                name=f"task-{lent}",
                version=1,
                task_id=lent,
                user_id=lender.id,
                path=f"models/task-{lent}/1",
                weights_sha256="0",
                classes=[],
                image_size=320,
                metrics={},
                lineage={},
            )
        )
        task = session.get_one(Task, user)
        task.context = task.context | {"current_model": f"task-{lent}/1"}
    korean = lender.bearer | {"Accept-Language": "ko"}
    asked = lender.http.delete("/mypage", params={"dry_run": True}, headers=korean)
    assert user in asked.json()["refused"]
    assert "필요한" in asked.json()["refused"]
    refused = lender.ask("DELETE", "/mypage")
    assert (refused.status_code, refused.json()["code"]) == (409, "StillNeeded")
    assert lender.get("/auth/me").status_code == 200, "nothing has changed"
    assert log_in(lender.http, "lender").status_code == 200
    assert rows_of(door, lender.id)["tasks"] == 1


def test_an_admin_deletes_an_account_and_the_clock_sees_to_it(door: Door) -> None:
    guest = person(door, "guest")
    with door.client() as admin:
        path = f"/auth/users/{guest.id}"
        assert admin.delete(path, params={"dry_run": True}).status_code == 200
        assert admin.delete(path).status_code == 202
        assert admin.delete(path).status_code == 404
    stopped = threading.Event()
    clock_thread = threading.Thread(target=clock.run, args=(door.platform, stopped), daemon=True)
    clock_thread.start()
    try:
        until(lambda: rows_of(door, guest.id) == {})
    finally:
        stopped.set()
        clock_thread.join(10)
