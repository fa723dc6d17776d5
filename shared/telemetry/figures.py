"""The kinds of figures, free of charge until somebody wants to read them.

A figure is declared in `shared.telemetry.table` and observed in one line where things happen. As
long as the process does not serve figures (`shared.telemetry.exporter`) such a line is one look at
an attribute, and prometheus-client is not even imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TABLE: dict[str, Figure] = {}


class Figure:
    """A name, what it means, and its labels; `live` counts once the exporter has bound it."""

    kind = ""

    def __init__(
        self, name: str, about: str, *labels: str, buckets: tuple[float, ...] | None = None
    ) -> None:
        if name in TABLE:
            raise ValueError(f"The figure {name} is declared twice.")
        TABLE[name] = self
        self.name = name
        self.about = about
        self.labels = labels
        self.buckets = buckets
        self._live: Any = None
        self._children: dict[tuple[str, ...], Any] = {}

    def bind(self, live: Any) -> None:
        """Count into `live`, an instrument of prometheus-client, from now on; None: no more."""
        self._children = {}
        self._live = live

    def _of(self, values: tuple[str, ...]) -> Any:
        child = self._children.get(values)
        if child is None:
            child = self._live.labels(*values) if values else self._live
            self._children[values] = child
        return child


class Counter(Figure):
    """Only grows; its name ends in `_total`."""

    kind = "counter"

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count `by` more."""
        if self._live is not None:
            self._of(labels).inc(by)


class Histogram(Figure):
    """How often a value fell into which range; read as `_bucket`, `_sum` and `_count`."""

    kind = "histogram"

    def observe(self, value: float, *labels: str) -> None:
        """Count `value`, in the unit that the name ends with."""
        if self._live is not None:
            self._of(labels).observe(value)


class Level(Figure):
    """How many there are now, summed over the living processes of a service."""

    kind = "level"

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Move it by `by`, which may be negative."""
        if self._live is not None:
            self._of(labels).inc(by)

    @contextmanager
    def held(self, *labels: str) -> Iterator[None]:
        """One more while the block runs."""
        self.add(*labels)
        try:
            yield
        finally:
            self.add(*labels, by=-1.0)


class State(Figure):
    """Read from the database or the broker when somebody asks, by one process for all."""

    kind = "state"
