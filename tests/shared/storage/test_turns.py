"""Turns at a folder among machines that share a database but no disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import wiring
from shared.platform import Platform
from shared.settings import Settings
from shared.storage.turns import turn

FOLDER = "labels/t1"


@pytest.fixture
def machines(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Platform, Platform]]:
    made = [
        wiring.build(Settings(data_dir=tmp_path / str(n), database=postgres_url)) for n in range(2)
    ]
    yield made[0], made[1]
    for platform in made:
        platform.engine.dispose()


def waiting(platform: Platform) -> int:
    with platform.reads() as session:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return int(session.scalar(text(query)) or 0)


@pytest.mark.parametrize("first_alone", [True, False])
def test_a_writer_and_a_reader_wait_for_each_other(machines, *, first_alone: bool) -> None:
    first, second = machines
    order = []

    def follow() -> None:
        with turn(second.storage, second.reads, FOLDER, "labels/t0", alone=not first_alone):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with turn(first.storage, first.reads, FOLDER, alone=first_alone):
            following = pool.submit(follow)
            deadline = time.monotonic() + 30
            while not waiting(first):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            order.append("first")
        following.result(30)
    assert order == ["first", "second"]


def test_readers_do_not_wait(machines) -> None:
    first, second = machines
    with turn(first.storage, first.reads, FOLDER, alone=False):  # noqa: SIM117 - one by one
        with turn(second.storage, second.reads, FOLDER, alone=False):
            assert waiting(first) == 0
