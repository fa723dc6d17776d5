"""One look at the database for all who wait for news: a hundred readers cost what one costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

LOOK_EVERY_S = 0.25
log = structlog.get_logger()


class Pulse:
    """Watches a number that only grows, as long as somebody waits for it to grow."""

    def __init__(self, look: Callable[[], int]) -> None:
        self._look = look
        self._waiting: set[asyncio.Future[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self.seen = -1

    async def beyond(self, number: int) -> None:
        """Return once more than `number` was seen; take `seen` as it was before you last looked."""
        if self.seen > number:
            return
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._run())
        grown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(grown)
        try:
            await grown
        finally:
            self._waiting.discard(grown)

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                newest = await asyncio.to_thread(self._look)
            except DBAPIError as error:  # it will be back, and the readers still wait
                log.warning("gateway.pulse.failed", error=str(error.orig))
                continue
            if newest > self.seen:
                self.seen = newest
                for grown in self._waiting:
                    if not grown.done():
                        grown.set_result(None)
