"""Ending what a process computes before it is done, because nobody wants it any more.

The engine itself is native code that reports nothing for a minute. Whoever waits for its process looks
around now and then instead, and ends the process when that raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LOOK_EVERY_S = 0.5
_looks: ContextVar[Callable[[], None] | None] = ContextVar("looks", default=None)


@contextmanager
def interrupted_by(look: Callable[[], None]) -> Iterator[None]:
    """Within the block `look` is called twice a second while a process computes for this thread.

    What it raises ends that process, and is raised to whoever waits.
    """
    before = _looks.set(look)
    try:
        yield
    finally:
        _looks.reset(before)


def look_around() -> None:
    """Raise what the innermost block wants raised, if anything."""
    look = _looks.get()
    if look is not None:
        look()
