"""Who comes in at one moment: looked up once for all who bring the same key."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event

from shared.web.gate import Gate
from tests.shared.web.door import Door

MANY = 12


@contextmanager
def lookups(door: Door) -> Iterator[list[str]]:
    """The looks at keys, each of which takes long enough for everybody to come meanwhile."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "api_keys.sha256 =" in statement:
            seen.append(statement)
            time.sleep(0.3)

    event.listen(door.platform.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(door.platform.engine, "before_cursor_execute", note)


def knocks(door: Door, keys: list[str]) -> list[int]:
    """The answers to one request with each of `keys`, all sent at one moment."""
    together = threading.Barrier(len(keys))

    def knock(key: str) -> int:
        with httpx.Client(base_url=door.url, headers={"X-API-Key": key}, timeout=30) as client:
            together.wait()
            return client.get("/tasks/").status_code

    with ThreadPoolExecutor(len(keys)) as pool:
        return list(pool.map(knock, keys))


def test_a_crowd_with_one_key_is_looked_up_once(door: Door) -> None:
    key = door.key_of("crowd")
    with lookups(door) as seen:
        assert knocks(door, [key] * MANY) == [200] * MANY
    assert len(seen) == 1


def test_nobody_waits_for_the_key_of_another(door: Door) -> None:
    keys = [door.key_of(f"guest {n}") for n in range(MANY)]
    with lookups(door) as seen:
        begun = time.monotonic()
        assert knocks(door, keys) == [200] * MANY
        took = time.monotonic() - begun
    assert len(seen) == MANY
    assert took < 0.3 * MANY, "they were looked up beside each other"


def test_every_one_of_a_crowd_with_a_wrong_key_is_refused(door: Door) -> None:
    assert knocks(door, ["av_wrong"] * MANY) == [401] * MANY


def test_who_looks_for_all_and_fails_holds_nobody_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look breaks; the others look again."""
    key, broke = door.key_of("unlucky"), []
    limits = _gate(door)._limits
    whole = limits.identified

    def identified(*given: object) -> object:
        time.sleep(0.3)
        if not broke:
            broke.append(True)
            raise RuntimeError("the database went away")
        return whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(limits, "identified", identified)
    answers = knocks(door, [key] * MANY)
    assert sorted(answers) == [200] * (MANY - 1) + [500]


def _gate(door: Door) -> Gate:
    app = door.app.middleware_stack
    while not isinstance(app, Gate):
        app = getattr(app, "app", None) or app._app
    return app
