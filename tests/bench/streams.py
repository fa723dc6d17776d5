"""Thousands of open event streams on one gateway: every event once, in order, in bounded memory."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import select, update

from shared import wiring
from shared.db.models import Task, TaskEvent, User
from shared.flow import ledger, wishes
from shared.flow.states import State
from shared.pipelines import atlas
from shared.platform import Platform
from shared.settings import Settings
from tests.bench import streams_side
from tests.bench.rows import Effort, Row
from tests.bench.streams_side import Heard
from tests.bench.worlds import Gateway, World, gateway, worlds

STREAMS = 2000
EVENTS = 5  # of each task, beside that it was accepted
TOGETHER = 20  # tasks that one transaction writes about
PATIENCE_S = 300.0
GROWTH = 1.10


@dataclass
class Wave:
    """What came of some streams: heard whole and in order, with what delay, in how much memory."""

    whole: int
    events: int
    delays_s: list[float]
    peak_bytes: int
    seconds: float


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """A row a database, of two waves of streams one after the other."""
    place = folder / "streams"
    place.mkdir()
    count = effort.of(STREAMS, 200)
    with worlds(place) as known, ProcessPoolExecutor(1, get_context("spawn")) as client:
        return [_row(place / world.name, world, client, count, say) for world in known]


def _row(
    place: Path, world: World, client: ProcessPoolExecutor, count: int, say: Callable[[str], None]
) -> Row:
    with gateway(place, world) as door:
        platform = wiring.build(Settings(data_dir=place, **world.settings))  # type: ignore[arg-type]
        idle = door.process.memory_info().rss
        waves = [_wave(platform, door, client, count, place / f"open-{n}") for n in range(2)]
        platform.engine.dispose()
        for wave in waves:
            say(
                f"{world.name}: {wave.whole} of {count} whole, {wave.events} events in "
                f"{wave.seconds:.0f} s, {(wave.peak_bytes - idle) / 2**20:.0f} MiB more than idle"
            )
    whole = min(wave.whole for wave in waves)
    delays = sorted(delay for wave in waves for delay in wave.delays_s)
    p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
    grown = waves[1].peak_bytes / waves[0].peak_bytes
    more = waves[0].peak_bytes - idle
    return Row(
        f"{count} open event streams on one gateway, {world.name}, in two waves",
        f"every event once and in order; the second wave at most {GROWTH:.2f}x the memory",
        f"{whole} of {count} streams whole, {grown:.2f}x",
        whole == count and grown <= GROWTH,
        f"{sum(wave.events for wave in waves)} events; delay p50 {p50 * 1000:.0f} ms, p99 "
        f"{p99 * 1000:.0f} ms; {more / 2**20:.0f} MiB more than idle, {more / count / 1024:.0f} kB a "
        "stream",
        "-",
        "Each stream has a task of its own; every tenth is cut by its client after two events and "
        "goes on by Last-Event-ID. What the client heard is compared with the database at the end.",
    )


def _wave(
    platform: Platform, door: Gateway, client: ProcessPoolExecutor, count: int, opened: Path
) -> Wave:
    task_ids = _submitted(platform, count)
    begun = time.monotonic()
    heard = client.submit(streams_side.follow_all, door.port, door.key, task_ids, opened)
    _until(heard, opened)
    peak = door.process.memory_info().rss
    for number in range(EVENTS):
        _write(platform, task_ids, State.RUNNING, number)
        peak = max(peak, door.process.memory_info().rss)
    _write(platform, task_ids, State.SUCCEEDED, EVENTS, end=True)
    followed = heard.result(timeout=PATIENCE_S)
    peak = max(peak, door.process.memory_info().rss)
    seconds = time.monotonic() - begun
    written = _written(platform)
    return Wave(
        whole=sum(
            mine.ended and mine.numbers == written[task_id] and _rising(mine)
            for task_id, mine in zip(task_ids, followed, strict=True)
        ),
        events=sum(len(mine.numbers) for mine in followed),
        delays_s=[delay for mine in followed for delay in mine.delays_s[1:]],  # the first is old
        peak_bytes=peak,
        seconds=seconds,
    )


def _until(heard: Future[list[Heard]], opened: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not opened.exists():
        if heard.done():
            heard.result()
        if time.monotonic() > deadline:
            raise TimeoutError("The streams were not open in time.")
        time.sleep(0.05)


def _rising(heard: Heard) -> bool:
    return all(before < after for before, after in pairwise(heard.numbers))


def _submitted(platform: Platform, count: int) -> list[str]:
    pipeline = atlas.pipeline("vision")
    options = pipeline.options(file_path="https://example.org/openfield.mp4")  # type: ignore[call-arg]
    ids: list[str] = []
    while len(ids) < count:
        with platform.sessions.begin() as session:
            owner = session.scalars(select(User.id).where(User.role == "admin")).one()
            ids += [
                wishes.submit(session, platform.bus, pipeline, options, user_id=owner).id
                for _ in range(min(TOGETHER, count - len(ids)))
            ]
    return ids


def _write(
    platform: Platform, task_ids: Sequence[str], state: State, number: int, *, end: bool = False
) -> None:
    for begin in range(0, len(task_ids), TOGETHER):
        some = task_ids[begin : begin + TOGETHER]
        with platform.sessions.begin() as session:
            if end:
                session.execute(update(Task).where(Task.id.in_(some)).values(state=state))
            for task_id in some:
                ledger.note(session, task_id, None, "state", state=state, number=number)


def _written(platform: Platform) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    with platform.reads() as session:
        for number, task_id in session.execute(
            select(TaskEvent.id, TaskEvent.task_id).order_by(TaskEvent.id)
        ):
            numbers[task_id].append(number)
    return numbers
