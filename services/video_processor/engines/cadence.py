"""When the frames of a video are shown: constant or variable rate, and which rate to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

# What cameras and encoders write; a measured rate close to one of these is meant to be it.
STANDARD = tuple(
    Fraction(rate)
    for rate in (
        "1", "2", "5", "6", "7.5", "8", "10", "12", "12.5", "15", "20", "24000/1001", "24", "25", "30000/1001",
        "30", "40", "48", "50", "60000/1001", "60", "72", "75", "80", "90", "100", "120000/1001", "120", "125",
        "144", "150", "160", "200", "240", "250", "300", "480", "500", "960", "1000",
    )
)  # fmt: skip
NEAR = Fraction(3, 100)  # how far a variable rate may lie from a standard one to be called it
JITTER = Fraction(1, 10)  # of a frame: more is a variable rate
DEFAULT = Fraction(25)  # for a single picture without any announced rate


@dataclass(frozen=True)
class Cadence:
    """The rhythm of a video."""

    frames: int
    variable: bool
    rate: Fraction  # frames a second: the constant rate to use
    average: Fraction  # frames a second, as measured
    start_s: float
    duration_s: float  # the last frame's own time included


def cadence(
    times: Sequence[int], time_base: Fraction, announced: Fraction | None, last_ticks: int | None
) -> Cadence:
    """The rhythm of frames shown at `times` (ticks of `time_base` seconds, ascending).

    `announced` is the rate that the container claims, `last_ticks` how long the last frame stays.
    """
    count, first = len(times), times[0]
    span = times[-1] - first
    if count < 2 or span <= 0:
        rate = announced if announced and announced > 0 else DEFAULT
        return Cadence(
            frames=count,
            variable=count > 1,
            rate=rate,
            average=rate,
            start_s=float(first * time_base),
            duration_s=float(last_ticks * time_base if last_ticks else 1 / rate),
        )
    step = Fraction(span, count - 1)
    # Timestamps are whole ticks (whole milliseconds in Matroska): one and a half of them is rounding.
    allowed = max(float(step * JITTER), 1.5)
    plain_step = float(step)
    variable = any(
        abs(time - first - number * plain_step) > allowed for number, time in enumerate(times)
    )
    average = 1 / (step * time_base)
    if variable:
        gaps = [after - before for before, after in pairwise(times) if after > before]
        middle = median_low(gaps)
        # The mean of the usual gaps: one gap alone is rounded to a tick, 33 ms may mean 30 or 29.97.
        usual = [gap for gap in gaps if abs(gap - middle) <= max(middle / 5, 1.5)]
        rate = _near_standard(len(usual) / (sum(usual) * time_base))
        last = Fraction(last_ticks or middle)
    else:
        rate = _exact(average, announced, count)
        last = step
    return Cadence(
        frames=count,
        variable=variable,
        rate=rate,
        average=average,
        start_s=float(first * time_base),
        duration_s=float((span + last) * time_base),
    )


def _exact(average: Fraction, announced: Fraction | None, count: int) -> Fraction:
    """The simplest rate that stays within half a frame of the measured one to the last frame."""
    candidates = [announced] if announced and announced > 0 else []
    candidates += [min(STANDARD, key=lambda rate: abs(rate - average))]
    candidates += [average.limit_denominator(limit) for limit in (1, 10, 1001, 100_000)]
    for rate in candidates:
        if rate > 0 and abs(rate / average - 1) * count < Fraction(1, 2):
            return rate
    return average.limit_denominator(1_000_000)


def _near_standard(rate: Fraction) -> Fraction:
    best = min(STANDARD, key=lambda known: abs(known / rate - 1))
    if abs(best / rate - 1) <= NEAR:
        return best
    return rate.limit_denominator(1001) or rate.limit_denominator(1_000_000)
