"""A client that asks for little itself: raw HTTP/1.1 over kept connections, a process of its own.

Each connection sends the next request as soon as it has the answer to the one before, so the
server sets the pace and nothing queues up in the client.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 16


@dataclass(frozen=True)
class Pace:
    """What a server did under load."""

    per_s: float  # requests a second
    p50_ms: float
    p99_ms: float
    count: int  # requests
    first: str  # body of the first answer


def drive(port: int, requests: Sequence[bytes], expected: int, connections: int) -> Pace:
    """Send all of `requests` to 127.0.0.1; an answer with another status raises `RuntimeError`."""
    return asyncio.run(_drive(port, requests, expected, connections))


async def _drive(port: int, requests: Sequence[bytes], expected: int, connections: int) -> Pace:
    waiting = iter(requests)
    took: list[float] = []
    first: list[str] = []
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in waiting:
            begun = time.perf_counter()
            writer.write(request)
            status, body = await answer(reader)
            took.append(time.perf_counter() - begun)
            if status != expected:
                raise RuntimeError(f"{status} instead of {expected}: {body[:500]!r}")
            if not first:
                first.append(body.decode())
        writer.close()

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for reader, writer in opened:
            group.create_task(one(reader, writer))
    seconds = time.perf_counter() - begun
    took.sort()
    return Pace(
        per_s=len(took) / seconds,
        p50_ms=statistics.median(took) * 1000,
        p99_ms=took[int(len(took) * 0.99)] * 1000,
        count=len(took),
        first=first[0],
    )


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer of a kept connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    at = head.lower().index(b"content-length:") + len(b"content-length:")
    length = int(head[at : head.index(b"\r\n", at)])
    return status, await reader.readexactly(length)


def request(
    method: str, path: str, *, body: bytes = b"", length: int | None = None, **headers: str
) -> bytes:
    """One request as it goes over the wire; names of headers with `_` for `-`.

    `length` is that of a body which follows, bytes.
    """
    size = len(body) if length is None else length
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {size}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
