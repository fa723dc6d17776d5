"""Open streams: they end soon after the key or login that opened them, and a user has so many."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from shared.admission.callers import new_key
from shared.db.models import ApiKey, User
from shared.errors import Terminal
from shared.web import pulse
from tests.services.api_gateway.people import QUICK, log_in, person
from tests.services.audio_analyzer.questions import Questions, questions_at
from tests.shared.web.door import Door

MOST = 4
PATHS = ("/status/{}/events", "/tokens/analysis-progress/{}")
Event = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Questions]:
    settings = {"gateway": {"streams_per_user": MOST}, "accounts": QUICK}
    with questions_at(tmp_path_factory.mktemp("data"), **settings) as made:
        yield made


@pytest.fixture
def door(questions: Questions, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr(pulse, "DISMISS_S", 0.05)
    return questions.door


@contextmanager
def opened(door: Door, path: str, key: str, **headers: str) -> Iterator[Iterator[Event]]:
    """The events of a stream, one by one as they come."""
    own = {"Authorization": f"Bearer {key}", **headers}
    with (
        httpx.Client(base_url=door.url, timeout=30) as client,
        client.stream("GET", path, headers=own) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        yield events(answer)


def events(answer: httpx.Response) -> Iterator[Event]:
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        name = value if field == "event" else name
        if field == "data":
            yield name, json.loads(value)


def revoke(door: Door, user: str) -> None:
    with door.platform.sessions.begin() as session:
        owner = session.query(User).filter_by(name=user).one()
        mine = session.query(ApiKey.id).filter_by(user_id=owner.id, revoked_at=None)
        ids = [key_id for (key_id,) in mine]
        key = new_key(session, owner)
    own = {"Authorization": f"Bearer {key}"}
    for key_id in ids:
        assert httpx.delete(f"{door.url}/auth/keys/{key_id}", headers=own).status_code == 204


# --- whose key or login has ended -----------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_revoked_key_ends_its_streams_and_no_others(
    questions: Questions, door: Door, path: str
) -> None:
    job = questions.asked()
    with (
        opened(door, path.format(job), door.key) as others,
        opened(door, path.format(job), door.key_of("ann"), **{"Accept-Language": "ko"}) as mine,
    ):
        assert next(mine)[0] != "closed"
        next(others)
        revoke(door, "ann")
        *_, last = mine
        assert (last[0], last[1]["code"]) == ("closed", "Unauthorised")
        assert last[1]["detail"].startswith("이 스트림을 연 키나 로그인이")
        door.begin(job)
        assert next(others)[0] in {"step", "progress"}


def log_out(door: Door, bea: Any) -> None:
    answer = bea.ask("POST", "/auth/logout", json={"refresh_token": bea.refresh})
    assert answer.status_code == 204, answer.text


def leave(door: Door, bea: Any) -> None:
    assert bea.ask("DELETE", "/mypage").status_code in {202, 204}


@pytest.mark.parametrize("goes", [log_out, leave])
def test_so_does_a_login_that_is_over(door: Door, goes: Callable[[Door, Any], None]) -> None:
    bea = person(door, f"bea_{goes.__name__}")
    task = door.submit(bea.name)
    with opened(door, PATHS[0].format(task), bea.access) as mine:
        next(mine)
        goes(door, bea)
        *_, last = mine
        assert last[0] == "closed"


def test_so_does_a_token_that_expires_and_another_goes_on_where_it_ended(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    cid = person(door, "cid")
    task = door.submit(cid.name)
    with monkeypatch.context() as brief:
        brief.setattr(door.platform.settings.accounts, "access_token_s", 2)
        tickets = log_in(cid.http, cid.name).json()
    with opened(door, PATHS[0].format(task), tickets["access_token"]) as mine:
        assert [name for name, _ in mine] == ["task", "closed"]
    with opened(door, PATHS[0].format(task), cid.access, **{"Last-Event-ID": "1"}) as again:
        door.begin(task)
        assert next(again)[0] in {"task", "step"}


def test_who_is_no_admin_any_more_stops_seeing_what_is_others(door: Door) -> None:
    task, key = door.submit("ann"), door.key_of("dan")
    with door.platform.sessions.begin() as session:
        session.query(User).filter_by(name="dan").one().role = "admin"
    with opened(door, PATHS[0].format(task), key) as mine:
        next(mine)
        with door.platform.sessions.begin() as session:
            session.query(User).filter_by(name="dan").one().role = "user"
        *_, last = mine
        assert last[0] == "closed"


# --- how many -------------------------------------------------------------------------------------


def test_one_user_has_so_many_streams_and_no_more(door: Door) -> None:
    task, key = door.submit("eve"), door.key_of("eve")
    path, korean = PATHS[0].format(task), {"Accept-Language": "ko"}
    own = {"Authorization": f"Bearer {key}"}
    with ExitStack() as stack:
        streams = [stack.enter_context(opened(door, path, key)) for _ in range(MOST)]
        assert {next(each)[0] for each in streams} == {"task"}
        refused = httpx.get(door.url + path, headers=own | korean)
        assert (refused.status_code, refused.json()["code"]) == (429, "TooManyStreams")
        assert refused.json()["detail"].startswith("열려 있는 이벤트 스트림이 한도에")
        assert int(refused.headers["Retry-After"]) > 0
        assert httpx.get(f"{door.url}/status/{task}", headers=own).status_code == 200
        with opened(door, path, door.key) as others:  # of whom it is not eve's fault
            next(others)
    door.begin(task)
    door.fail(task, Terminal("It ends."))
    for _ in range(3 * MOST):  # those that have ended take no place
        with opened(door, path, key) as mine:
            assert [name for name, _ in mine][-1] == "end"
