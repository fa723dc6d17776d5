"""What a bench measures with: rounds that alternate, rows that compare two sides, a page of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How much is done for each figure."""

    quick: bool = False  # a look in seconds, while developing; its figures prove nothing
    rounds: int | None = None  # None: each row knows how many it needs

    def of(self, usual: int, quick: int) -> int:
        """A number of rounds, frames ...; fewer in a quick look."""
        return quick if self.quick else usual

    def turns(self, usual: int) -> int:
        """Rounds of each side."""
        return self.rounds or self.of(usual, 1)


@dataclass(frozen=True)
class Row:
    """One line of the table: what is compared, what is wanted, what came out."""

    what: str
    goal: str
    measured: str
    passed: bool | None  # None: not measured, or told without a goal
    ours: str
    theirs: str
    remark: str = ""


Side = Callable[[], float]


def interleaved(
    rounds: int, sides: Mapping[str, Side], say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds of each side, round by round, so that noise of the machine falls on all alike.

    Every other round runs backwards: nobody always follows the same neighbour.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        names = list(sides) if turn % 2 == 0 else list(reversed(sides))
        for name in names:
            seconds[name].append(sides[name]())
        told = ", ".join(f"{name} {seconds[name][-1]:.3g}" for name in sides)
        say(f"round {turn + 1} of {rounds}: {told} s")
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The ratio of the median round; what drifts from round to round falls out of it."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def spread(ours: list[float], theirs: list[float]) -> str:
    """The lowest and the highest ratio of one round, as `1.1-1.3`."""
    by_round = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{min(by_round):.2f}-{max(by_round):.2f}"
