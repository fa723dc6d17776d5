"""One stage of a pipeline in its own thread, with a bounded queue to the next."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
POLL_S = 0.1  # how soon a producer notices that nobody reads any more


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class _Stage(threading.Thread, Generic[Item]):
    """Moves items into a bounded queue until they end or nobody wants them any more."""

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        super().__init__(name="ahead", daemon=True)
        self._items = items
        self._channel: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)
        self._unwanted = threading.Event()

    def run(self) -> None:
        error: BaseException | None = None
        iterator = iter(self._items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as caught:  # noqa: BLE001 - carried over to the reader's thread
            error = caught
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        while not self._unwanted.is_set():
            try:
                self._channel.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def results(self) -> Iterator[Item]:
        while not isinstance(item := self._channel.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        self._unwanted.set()
        self.join()


@contextmanager
def ahead(items: Iterable[Item], depth: int) -> Iterator[Iterator[Item]]:
    """`items`, produced up to `depth` ahead in a thread of their own.

    Decoding and encoding release the interpreter's lock, so stages truly run side by side. What
    the producer raises is raised to the reader; when the block is left early the producer stops
    at its next item, closes `items` in its own thread, and has ended when the block has.
    """
    stage = _Stage(items, depth)
    stage.start()
    try:
        yield stage.results()
    finally:
        stage.stop()
