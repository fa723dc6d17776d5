"""Guessing passwords is slow, whoever's they are; on both databases."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shared.db.account_models import LoginAttempts
from tests.services.api_gateway.people import (
    PASSWORD,
    QUICK,
    door_on,
    log_in,
    person,
    registered,
    renew,
    until,
)
from tests.shared.web.door import Door

LIMITS = QUICK | {"attempts_before_lock": 3, "longest_lock_s": 2}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    with door_on(request, tmp_path_factory.mktemp("data"), LIMITS) as opened:
        yield opened


@pytest.fixture
def http(door: Door) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=door.url, timeout=60) as client:
        yield client


def wrong(http: httpx.Client, login: str) -> httpx.Response:
    return log_in(http, login, "not the password")


def until_held_back(http: httpx.Client, login: str) -> list[httpx.Response]:
    """The answers to wrong passwords; more than four where a wait of a second was over at once."""
    answers = [wrong(http, login)]
    while answers[-1].status_code != 429:
        assert len(answers) < 12
        answers.append(wrong(http, login))
    return answers


def test_a_name_is_held_back_whether_it_is_known_or_not(door: Door) -> None:
    ann = person(door, "ann")
    told = {}
    for login in ("ann", "nobody"):
        answers = until_held_back(ann.http, login)
        assert len(answers) >= 4
        assert 1 <= int(answers[-1].headers["retry-after"]) <= LIMITS["longest_lock_s"]
        told[login] = [answer.json() for answer in answers[:3]]
    assert told["ann"] == told["nobody"]

    def right_password_refused() -> bool:
        until_held_back(ann.http, "ann")
        return log_in(ann.http, "ann").json().get("code") == "LoginLocked"

    until(right_password_refused)  # at once, but on a machine that takes longer than the lock
    assert ann.get("/auth/me").status_code == 200, "a session that is open stays so"
    assert renew(ann.http, ann.refresh).status_code == 200
    until(lambda: log_in(ann.http, "ann").status_code == 200)
    assert [wrong(ann.http, "ann").status_code for _ in range(3)] == [401] * 3, "counted anew"


def test_the_wait_grows(door: Door, http: httpx.Client) -> None:
    waits = []
    for _ in range(5):
        until(lambda: wrong(http, "gone").status_code == 401)
        with door.platform.reads() as session:
            digest = hashlib.sha256(b"gone").hexdigest()
            row = session.get_one(LoginAttempts, digest)
        waits.append(row.locked_until and (row.locked_until - row.last_at).total_seconds())
    assert waits == [None, None, 1.0, 2.0, 2.0]


def test_guesses_of_one_moment_are_counted_before_they_are_looked_at(door: Door) -> None:
    bea = person(door, "bea")
    begun = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: wrong(bea.http, "bea").status_code, range(24)))
    waited = int(time.monotonic() - begun)  # each second allows one more, at most
    assert statuses.count(401) <= 3 + waited, statuses
    assert set(statuses) == {401, 429}


def test_of_two_who_register_one_name_one_has_it(http: httpx.Client) -> None:
    wishes = [{"email": f"cid{n}@example.org"} for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda wish: registered(http, "cid", **wish), wishes))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


def test_of_copies_of_a_refresh_token_at_most_one_is_taken_and_the_session_ends(
    door: Door,
) -> None:
    dan = person(door, "dan")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: renew(dan.http, dan.refresh), range(6)))
    taken = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(taken) == 1
    assert renew(dan.http, taken[0]["refresh_token"]).status_code == 401
    assert log_in(dan.http, "dan").status_code == 200


def test_who_logs_out_while_tokens_are_renewed_is_out(door: Door) -> None:
    """Whatever the renewal that was under way has brought opens nothing any more."""
    fay = person(door, "fay")

    def renew_until_refused(token: str) -> str:
        while (answer := renew(fay.http, token)).status_code == 200:
            token = answer.json()["refresh_token"]
        return token

    with ThreadPoolExecutor(2) as pool:
        for _ in range(4):
            first = log_in(fay.http, "fay").json()["refresh_token"]
            last = pool.submit(renew_until_refused, first)
            gone = fay.http.post("/auth/logout", json={"refresh_token": first})
            assert gone.status_code == 204
            assert renew(fay.http, last.result(timeout=30)).status_code == 401


def test_two_admins_cannot_step_down_at_once(door: Door) -> None:
    ids = [door.user_id("admin"), door.user_id("eve")]
    with door.client() as first, door.client("eve") as second:
        assert first.patch(f"/auth/users/{ids[1]}", json={"role": "admin"}).status_code == 200

        def step_down(client: httpx.Client, user_id: str) -> int:
            return client.patch(f"/auth/users/{user_id}", json={"role": "user"}).status_code

        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(pool.map(step_down, (first, second), ids))
    assert statuses == [200, 409]


def test_an_unknown_name_takes_as_long_as_a_wrong_password(tmp_path: Path) -> None:
    slow = QUICK | {"hash_memory_mib": 24, "attempts_before_lock": 100}
    with Door.opened(tmp_path, accounts=slow) as door:
        ann = person(door, "ann")

        def seconds(login: str) -> float:
            begun = time.perf_counter()
            assert wrong(ann.http, login).status_code == 401
            return time.perf_counter() - begun

        took = [(seconds("ann"), seconds("nobody")) for _ in range(5)]
    known, unknown = (min(each) for each in zip(*took, strict=True))
    assert 0.5 < unknown / known < 2.0


def test_an_address_that_tries_too_often_has_to_wait(tmp_path: Path) -> None:
    with (
        Door.opened(tmp_path, accounts=QUICK | {"attempts_per_minute": 6}) as door,
        door.client("ann") as ann,
        httpx.Client(base_url=door.url, timeout=30) as http,
    ):
        answers = [renew(http, "avr_unknown") for _ in range(8)]
        assert [answer.status_code for answer in answers[:6]] == [401] * 6
        refused = answers[-1]
        assert (refused.status_code, refused.json()["code"]) == (429, "AddressSlowed")
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert log_in(http, "ann", PASSWORD).status_code == 429
        assert registered(http, "bob").status_code == 429
        assert ann.get("/auth/me").status_code == 200


def test_only_few_passwords_are_looked_at_together(tmp_path: Path) -> None:
    """The rest wait, and of very many the last are sent away: memory is not theirs to fill."""
    with (
        Door.opened(tmp_path, accounts=QUICK | {"hashes_at_once": 1}) as door,
        httpx.Client(base_url=door.url, timeout=60) as http,
        ThreadPoolExecutor(90) as pool,
    ):
        answers = list(pool.map(lambda n: wrong(http, f"nobody{n}"), range(90)))
        statuses = {answer.status_code for answer in answers}
        assert statuses <= {401, 429}
        assert 401 in statuses
        assert wrong(http, "nobody").status_code == 401
