"""Readers are woken when there is news, and nobody looks when nobody waits."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from services.api_gateway import pulse
from services.api_gateway.pulse import Pulse


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "LOOK_EVERY_S", 0.01)


def test_one_look_wakes_all_and_then_nobody_looks() -> None:
    looks = []

    async def story() -> None:
        number = 0

        def look() -> int:
            looks.append(number)
            return number

        news = Pulse(look)
        await asyncio.wait_for(news.beyond(-1), 1)  # the first look is news
        readers = [asyncio.create_task(news.beyond(news.seen)) for _ in range(50)]
        await asyncio.sleep(0.1)
        assert not any(reader.done() for reader in readers)
        number = 7
        await asyncio.wait_for(asyncio.gather(*readers), 1)
        await asyncio.wait_for(news.beyond(6), 0.01)  # seen already
        done = len(looks)
        await asyncio.sleep(0.1)
        assert len(looks) <= done + 1

    asyncio.run(story())
    assert len(looks) < 30


def test_readers_outlive_a_database_that_is_away() -> None:
    async def story() -> None:
        answers = iter([OperationalError("x", {}, Exception("locked")), 3])

        def look() -> int:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        await asyncio.wait_for(Pulse(look).beyond(-1), 1)

    asyncio.run(story())


def test_a_reader_who_leaves_is_not_kept() -> None:
    async def story() -> None:
        news = Pulse(lambda: -1)
        reader = asyncio.create_task(news.beyond(-1))
        await asyncio.sleep(0.05)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert not news._waiting
        assert news._watch.done()

    asyncio.run(story())
