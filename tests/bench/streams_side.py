"""The other end of thousands of open streams: raw sockets in a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from shared.process import allow_many_files
from tests.bench import load

OPENING = 64  # at once


@dataclass
class Heard:
    """What came over one stream, reconnections included."""

    numbers: list[int] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)  # from the event's own time, live ones
    ended: bool = False


def follow_all(port: int, key: str, task_ids: Sequence[str], opened: Path) -> list[Heard]:
    """Follow each task to its end; writes the file `opened` when all streams are open.

    Every tenth closes its connection after the second event and goes on by Last-Event-ID.
    """
    allow_many_files()
    return asyncio.run(_follow_all(port, key, task_ids, opened))


async def _follow_all(port: int, key: str, task_ids: Sequence[str], opened: Path) -> list[Heard]:
    gate = asyncio.Semaphore(OPENING)
    left = len(task_ids)
    heard = [Heard() for _ in task_ids]

    def begun() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            opened.touch()

    async with asyncio.TaskGroup() as group:
        for number, (task_id, mine) in enumerate(zip(task_ids, heard, strict=True)):
            cut = 2 if number % 10 == 0 else None
            group.create_task(_follow(port, key, task_id, mine, cut, gate, begun))
    return heard


async def _follow(
    port: int,
    key: str,
    task_id: str,
    heard: Heard,
    cut: int | None,
    gate: asyncio.Semaphore,
    begun: object,
) -> None:
    first = True
    while not heard.ended:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            resumed = {"last_event_id": str(heard.numbers[-1])} if heard.numbers else {}
            path = f"/status/{task_id}/events"
            writer.write(load.request("GET", path, authorization=f"Bearer {key}", **resumed))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
        events = _events(reader)
        async for event in events:
            _note(heard, event)
            if first:
                first = False
                begun()  # type: ignore[operator]
            if cut is not None and len(heard.numbers) >= cut and not heard.ended:
                cut = None
                break
            if heard.ended:
                break
        await events.aclose()
        writer.close()


def _note(heard: Heard, event: dict[str, str]) -> None:
    if event["event"] == "end":
        heard.ended = True
        return
    heard.numbers.append(int(event["id"]))
    at = datetime.fromisoformat(json.loads(event["data"])["at"])
    heard.delays_s.append((datetime.now(UTC) - at).total_seconds())


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, str]]:
    """The fields of each event, out of the chunks of the body; heartbeats are left out."""
    text = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        text += (await reader.readexactly(size + 2))[:-2]
        *whole, text = text.split(b"\r\n\r\n")
        for one in whole:
            pairs = (line.partition(": ") for line in one.decode().split("\r\n"))
            fields = {name: value for name, _, value in pairs if name}
            if fields:
                yield fields
    raise RuntimeError("a stream ended without a farewell")
