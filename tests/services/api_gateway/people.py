"""People with accounts, as tests of several kinds need them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.shared.web.door import Door

PASSWORD = "seven green herons"
QUICK = {"hash_memory_mib": 8, "attempts_per_minute": 100_000}
"""Settings of accounts under which tests need not wait for what only strangers should wait for."""


SURE_FOR_S = 0.1
"""How long gateways of these tests are sure of somebody; that it is seconds is tested with keys."""


@dataclass
class Person:
    """Somebody with an account, logged in."""

    id: str
    name: str
    access: str
    refresh: str
    http: httpx.Client

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(path, headers=self.bearer, **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.http.request(method, path, headers=self.bearer, **more)


def registered(
    http: httpx.Client, name: str, password: str = PASSWORD, **more: Any
) -> httpx.Response:
    wish = {"name": name, "email": f"{name.lower()}@example.org", "password": password}
    return http.post("/auth/register", json=wish | more)


def log_in(http: httpx.Client, login: str, password: str = PASSWORD) -> httpx.Response:
    return http.post("/auth/login", data={"username": login, "password": password})


def renew(http: httpx.Client, token: str) -> httpx.Response:
    return http.post("/auth/refresh", json={"refresh_token": token})


def person(door: Door, name: str) -> Person:
    """Registers and logs in."""
    http = httpx.Client(base_url=door.url, timeout=30)
    made = registered(http, name)
    assert made.status_code == 201, made.text
    tickets = log_in(http, name).json()
    return Person(made.json()["id"], name, tickets["access_token"], tickets["refresh_token"], http)


def until(true: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Asks again and again: a gateway is sure of somebody for a moment."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def door_on(
    request: pytest.FixtureRequest, folder: Path, accounts: dict[str, Any]
) -> Iterator[Door]:
    """A door on SQLite, or on the PostgreSQL of the session: the parameter of the fixture says which."""
    more: dict[str, Any] = {}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        more["database"] = server.fresh()
    with Door.opened(folder, accounts=accounts, **more) as opened:
        yield opened
    if more:
        server.drop(more["database"])
