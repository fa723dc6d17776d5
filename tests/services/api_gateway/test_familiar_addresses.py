"""Strangers who guess on purpose: they keep nobody out of an account who comes from where they always do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest

from shared.db.account_models import LoginAttempts
from shared.db.models import now
from shared.flow import leaving
from shared.net.address import neighbourhood
from tests.services.api_gateway.people import PASSWORD, QUICK, log_in, person
from tests.shared.web.door import Door

LIMITS = QUICK | {"attempts_before_lock": 3, "longest_lock_s": 900}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    more = {}
    if request.param == "postgres":
        more["database"] = request.getfixturevalue("postgres").fresh()
    with Door.opened(tmp_path_factory.mktemp("data"), accounts=LIMITS, **more) as opened:
        yield opened


@pytest.fixture
def places(door: Door) -> Iterator[list[httpx.Client]]:
    """Clients at three addresses; the first is where everybody is at home."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                httpx.Client(
                    base_url=door.url,
                    timeout=30,
                    transport=httpx.HTTPTransport(local_address=f"127.0.0.{n}"),
                )
            )
            for n in (1, 2, 3)
        ]


def guess(door: Door, http: httpx.Client, login: str) -> int:
    """The last answer to many wrong passwords, more than tests have the time for: the wait is long."""
    for _ in range(4):
        log_in(http, login, "not the password")
    with door.platform.sessions.begin() as session:
        for row in session.query(LoginAttempts).where(LoginAttempts.locked_until.is_not(None)):
            row.locked_until = now() + timedelta(minutes=5)
    return log_in(http, login, "not the password").status_code


def test_guesses_from_elsewhere_keep_nobody_out(door: Door, places: list[httpx.Client]) -> None:
    home, stranger, hotel = places
    person(door, "mia")
    assert guess(door, stranger, "mia") == 429
    for _ in range(2):
        assert log_in(home, "mia").status_code == 200
    assert log_in(stranger, "mia", PASSWORD).status_code == 429, "their wait goes on"
    assert log_in(hotel, "mia").status_code == 429, "nobody knows who that is"


def test_a_familiar_address_has_no_more_guesses_than_others(
    door: Door, places: list[httpx.Client]
) -> None:
    person(door, "noa")
    assert guess(door, places[0], "noa") == 429
    assert log_in(places[0], "noa").status_code == 429
    assert log_in(places[1], "noa").status_code == 200, "and theirs concern nobody elsewhere"


def test_an_address_is_familiar_for_a_season(door: Door, places: list[httpx.Client]) -> None:
    home, stranger, _ = places
    person(door, "lea")
    for days, answer in ((80, 200), (91, 429)):
        with door.platform.sessions.begin() as session:
            for row in session.query(LoginAttempts):
                row.last_at = now() - timedelta(days=days)
        leaving.forget_old(door.platform)
        assert guess(door, stranger, "lea") == 429
        assert log_in(home, "lea").status_code == answer


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_host_is_one_sender(address: str, counted: str) -> None:
    assert neighbourhood(address) == counted
