"""The one callback that long work gets."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Called by an engine between frames, chunks and epochs.

    It stores progress (throttled by the receiver, so call it as often as you like) and raises
    `shared.errors.Cancelled` when the user has cancelled the task: let that exception pass.
    """

    def __call__(self, fraction: float, message: str = "", **figures: float) -> None:
        """`fraction` is 0..1 of this task; `figures` are named numbers (epoch=3, map50=0.7)."""
        ...


def silent(fraction: float, message: str = "", **figures: float) -> None:
    """A report that nobody reads; for tests and for direct calls."""
    del fraction, message, figures
