"""Readers are fed when there is news, from one look for all, and nobody looks when nobody reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from shared.web import pulse
from shared.web.pulse import Pulse, Reader, Seen


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "LISTEN_S", 0.02)
    monkeypatch.setattr(pulse, "GATHER_S", 0.001)
    monkeypatch.setattr(pulse, "REST_S", 0.01)


class Book:
    """Events of tasks by rising number, as a database has them."""

    def __init__(self) -> None:
        self.events: dict[str, list[int]] = {}
        self.ended: set[str] = set()
        self.told: set[str] = set()
        self.looks: list[dict[str, int]] = []
        self.questions = 0
        self.failures = 0
        self.slow_s = 0.0

    def write(self, task_id: str, number: int, *, tell: bool = True) -> None:
        self.events.setdefault(task_id, []).append(number)
        if tell:
            self.told.add(task_id)

    def since(self, timeout_s: float) -> set[str] | None:
        self.questions += 1
        deadline = time.monotonic() + timeout_s
        while not self.told and time.monotonic() < deadline:
            time.sleep(0.001)
        told, self.told = self.told, set()
        return told

    def look(self, positions: Mapping[str, int]) -> Mapping[str, Seen]:
        if self.failures:
            self.failures -= 1
            raise OperationalError("x", {}, Exception("locked"))
        self.looks.append(dict(positions))
        found = {
            task_id: Seen(
                [(n, f"{n} ".encode()) for n in self.events.get(task_id, []) if n > position],
                b"end" if task_id in self.ended else None,
            )
            for task_id, position in positions.items()
        }
        time.sleep(self.slow_s)
        return found

    def pulse(self) -> Pulse:
        return Pulse(self.since)


def told(story: Coroutine[Any, Any, None]) -> None:
    """Run it; nothing may take long."""

    async def bounded() -> None:
        async with asyncio.timeout(10):
            await story

    asyncio.run(bounded())


async def until(reader: Reader, text: bytes) -> None:
    """Read exactly `text`."""
    got = b""
    while got != text:
        got += await reader.take()
        assert text.startswith(got), got


def test_one_look_feeds_all_and_only_those_with_news() -> None:
    book = Book()

    async def story() -> None:
        news = book.pulse()
        with ExitStack() as stack:
            readers = [
                stack.enter_context(news.reading(book.look, f"task-{n}", 0)) for n in range(50)
            ]
            while sum(map(len, book.looks)) < len(readers):  # noqa: ASYNC110 - a thread looks
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            before = len(book.looks)
            book.write("task-7", 1)
            book.write("task-8", 2)
            await until(readers[7], b"1 ")
            await until(readers[8], b"2 ")
            assert {task for look in book.looks[before:] for task in look} == {"task-7", "task-8"}
            assert len(book.looks) - before <= 2

    told(story())
    assert sum(len(look) for look in book.looks) < 60  # fifty first looks, two with news


def test_a_reader_goes_on_where_it_was_and_hears_the_end() -> None:
    book = Book()
    for n in (1, 4, 9):
        book.write("t", n)

    async def story() -> None:
        news = book.pulse()
        with news.reading(book.look, "t", 4) as late, news.reading(book.look, "t", 0) as early:
            await until(late, b"9 ")
            await until(early, b"1 4 9 ")
            book.write("t", 11)
            book.ended.add("t")
            await until(late, b"11 end")
            await until(early, b"11 end")
            assert await late.take() == b""

    told(story())


def test_who_comes_during_a_look_misses_nothing_of_before() -> None:
    """The look that runs asks for what is newer than what the first reader has."""
    book = Book()
    book.slow_s = 0.05
    for n in (1, 2, 3):
        book.write("t", n)

    async def story() -> None:
        news = book.pulse()
        with news.reading(book.look, "t", 0) as first:
            await until(first, b"1 2 3 ")
            book.write("t", 4)
            while len(book.looks) < 2:  # noqa: ASYNC110 - a thread counts them
                await asyncio.sleep(0.001)
            with news.reading(book.look, "t", 0) as second:
                await until(second, b"1 2 3 4 ")
            await until(first, b"4 ")

    told(story())


def test_news_that_nobody_told_of_are_found_with_the_heartbeat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse, "HEARTBEAT_S", 0.05)
    book = Book()

    async def story() -> None:
        with book.pulse().reading(book.look, "t", 0) as reader:
            assert await reader.take() == pulse.HEARTBEAT
            book.write("t", 1, tell=False)
            while (text := await reader.take()) == pulse.HEARTBEAT:
                pass
            assert text == b"1 "

    told(story())


def test_a_client_that_does_not_read_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "MOST_WAITING", 10)
    book = Book()
    for n in range(1, 101):
        book.write("t", n)
    book.ended.add("t")

    async def story() -> None:
        news = book.pulse()
        with news.reading(book.look, "t", 0) as reader:
            got = b""
            while text := await reader.take():
                assert text.count(b" ") <= 10
                got += text
                await asyncio.sleep(0.005)
                if reader.behind:
                    reader.behind = False
                    news.look_at({"t"})
            assert got == b"".join(f"{n} ".encode() for n in range(1, 101)) + b"end"

    told(story())


def test_readers_outlive_a_database_that_is_away() -> None:
    book = Book()
    book.write("t", 3)
    book.failures = 2

    async def story() -> None:
        with book.pulse().reading(book.look, "t", 0) as reader:
            await until(reader, b"3 ")

    told(story())


def test_a_look_that_breaks_ends_no_stream_of_others() -> None:
    book = Book()
    book.write("t", 3)

    def breaks(_: Mapping[str, int]) -> Mapping[str, Seen]:
        raise OverflowError("no database counts so far")

    async def story() -> None:
        news = book.pulse()
        with news.reading(breaks, "t", 2**70), news.reading(book.look, "t", 0) as reader:
            await until(reader, b"3 ")
            book.write("t", 4)
            await until(reader, b"4 ")

    told(story())


def test_nobody_looks_when_nobody_reads() -> None:
    book = Book()

    async def story() -> None:
        news = book.pulse()
        for _ in range(3):
            with news.reading(book.look, "t", 0):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not news._readers
        assert all(news._tasks[name].done() for name in ("_listen", "_deliver"))
        asked = book.questions
        await asyncio.sleep(0.1)
        assert book.questions == asked

    told(story())
