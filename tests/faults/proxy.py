"""A TCP proxy between the mesh and a server, that can be a bad network."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

from tests.servers.ports import HOST, free_port

CHUNK = 65536
_LINGER_0 = struct.pack("ii", 1, 0)  # close with a reset


class Proxy:
    """Forwards `port` of loopback to `target`, until it is told to do worse. Runs in a thread."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.passed = 0  # connections so far
        self._latency_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def mend(self) -> None:
        """A good network again; what a black hole swallowed arrives, as TCP has it."""
        self._call(self._mend())

    def slow(self, latency_s: float) -> None:
        """Every piece of data takes so much longer, each way."""
        self._latency_s = latency_s

    def reset(self) -> None:
        """Break every connection; new ones are fine."""
        self._call(self._reset())

    def refuse(self) -> None:
        """Break every connection, and nobody listens any more."""
        self._call(self._refuse())

    def swallow(self) -> None:
        """A black hole: connections open and stay, and nothing comes through."""
        self._call(self._swallow())

    def close(self) -> None:
        self._call(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, job: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(timeout=30)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _mend(self) -> None:
        self._latency_s = 0.0
        self._flowing.set()
        await self._listen()

    async def _reset(self) -> None:
        for writer in tuple(self._writers):
            _break(writer)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _swallow(self) -> None:
        self._flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed += 1
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            there_in, there_out = await asyncio.open_connection(HOST, self.target)
        except OSError:  # the server is dead: so is this connection
            _break(writer)
            self._writers.discard(writer)
            return
        self._writers.add(there_out)
        try:
            await asyncio.gather(self._pump(reader, there_out), self._pump(there_in, writer))
        finally:
            for each in (writer, there_out):
                self._writers.discard(each)
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                if self._latency_s:
                    await asyncio.sleep(self._latency_s)
                writer.write(data)
                await writer.drain()
        writer.close()


def _break(writer: asyncio.StreamWriter) -> None:
    made = writer.get_extra_info("socket")
    if made is not None:
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    writer.transport.abort()
