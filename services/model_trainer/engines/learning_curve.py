"""What more labels are worth: mAP against labelled frames, as a power law that saturates.

The score after n labelled frames is taken as a - b * n^-c: it rises ever more slowly towards a. Three
rounds leave many such curves possible, so none is chosen. Every curve of a grid over a and c, with
the b that fits it best, weighs by how well it explains the rounds (Gaussian errors), and what the
next frames are worth is the weighted median with the interval that holds 90 % of the weight. The form
is the usual one of learning curves: Cortes et al., "Learning Curves: Asymptotic Values and Rate of
Convergence", NIPS 1993; Mahmood et al., "How Much More Data Do I Need?", CVPR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LEAST_POINTS = 3
"""Rounds before a curve is fitted: it has three parameters."""
NOISE = 0.02
"""Standard error of a score whose own is not known, mAP: what another seed of training moves."""
ASYMPTOTES = 41
EXPONENTS = tuple(0.1 * 20 ** (step / 24) for step in range(25))
"""From 0.1 (slow) to 2 (quick): what detectors show lies in between."""
TAIL = 0.05
"""Weight outside the interval on either side."""


class Point(NamedTuple):
    """One round."""

    frames: int  # labelled so far, all rounds together
    score: float  # mAP on the frozen frames, 0..1
    error: float = NOISE  # its standard error


class Gain(NamedTuple):
    """What so many more labelled frames are worth; mAP."""

    frames: int
    expected: float
    low: float
    high: float


class Fit(NamedTuple):
    """The likely curves; `asymptote`, `scale` and `exponent` are those of the likeliest."""

    asymptote: float  # a
    scale: float  # b, for frames counted in units of `unit`
    exponent: float  # c
    unit: int  # frames
    curves: tuple[tuple[float, float, float, float], ...]  # weight, a, b, c

    def at(self, frames: float) -> float:
        """The score that the likeliest curve gives, 0..1."""
        return max(0.0, self.asymptote - self.scale * (frames / self.unit) ** -self.exponent)

    def gain(self, have: int, more: int) -> Gain:
        """What `more` frames are worth on top of `have`."""
        rises = sorted(
            (b * ((have / self.unit) ** -c - ((have + more) / self.unit) ** -c), weight)
            for weight, _, b, c in self.curves
        )
        return Gain(more, *(_quantile(rises, share) for share in (0.5, TAIL, 1 - TAIL)))


def _quantile(values: Sequence[tuple[float, float]], share: float) -> float:
    """Of (value, weight) in order of value; the weights sum to 1."""
    reached = 0.0
    for value, weight in values:
        reached += weight
        if reached >= share:
            return value
    return values[-1][0]


def fit(points: Sequence[Point]) -> Fit | None:
    """The likely curves through `points`; None while there are too few different ones."""
    if len({point.frames for point in points}) < LEAST_POINTS:
        return None
    unit = points[0].frames
    top = max(point.score for point in points)
    least = max(0.0, top - max(point.error for point in points))
    tried: list[tuple[float, float, float, float]] = []
    for step in range(ASYMPTOTES):
        a = least + (1.0 - least) * step / (ASYMPTOTES - 1)
        for c in EXPONENTS:
            b, misfit = _scale(points, unit, a, c)
            tried.append((misfit, a, b, c))
    best = min(tried)
    weights = [math.exp(-(misfit - best[0]) / 2) for misfit, *_ in tried]
    total = sum(weights)
    curves = tuple(
        (weight / total, *curve)
        for weight, (_, *curve) in zip(weights, tried, strict=True)
        if weight > 1e-6 * total
    )
    whole = sum(curve[0] for curve in curves)
    return Fit(*best[1:], unit=unit, curves=tuple((c[0] / whole, *c[1:]) for c in curves))


def _scale(points: Sequence[Point], unit: int, a: float, c: float) -> tuple[float, float]:
    """The b >= 0 that fits best for a and c, and the misfit (chi square)."""
    rows = [((p.frames / unit) ** -c, p.score, 1 / max(p.error, 1e-4) ** 2) for p in points]
    b = sum(w * x * (a - y) for x, y, w in rows) / sum(w * x * x for x, _, w in rows)
    b = max(b, 0.0)
    return b, sum(w * (a - b * x - y) ** 2 for x, y, w in rows)


def trend(points: Sequence[Point], more: int) -> float | None:
    """What `more` frames would be worth if each doubling went on to give as much; mAP.

    From the first and the last point; for two rounds, where no curve can be told from another.
    Never more than what is missing to 1. None when the points do not differ in frames.
    """
    first, last = points[0], points[-1]
    if len(points) < LEAST_POINTS - 1 or last.frames <= first.frames:
        return None
    doubling = (last.score - first.score) / math.log2(last.frames / first.frames)
    rise = doubling * math.log2((last.frames + more) / last.frames)
    return min(max(rise, 0.0), 1.0 - last.score)


def advice(points: Sequence[Point], more: int, worth: float, seconds: float | None) -> str:
    """When to stop, as a sentence or two.

    Args:
        points: The rounds so far, the first first.
        more: Frames of the next round.
        worth: mAP below which a gain is not worth a round: the margin of promotion.
        seconds: That a person needs for one frame; None when nobody knows.
    """
    cost = f", for some {spoken(more * seconds)} of labeling" if seconds else ""
    if len(points) < LEAST_POINTS - 1:
        return (
            "One round says nothing about the next. Where mAP is not yet good enough, "
            f"label {more} more frames and compare."
        )
    found = fit(points)
    if found is None:
        rise = trend(points, more)
        if rise is None:
            return f"No frames were added since the first round; label {more} more and compare."
        told = f"If each doubling went on to give as much, {more} more frames would be worth"
        verdict = "Go on." if rise >= worth else "One more round would tell whether to stop."
        return (
            f"{told} {rise:+.3f} mAP50-95{cost}; two rounds are no curve, so there is no interval. "
            f"{verdict}"
        )
    gain = found.gain(points[-1].frames, more)
    said = (
        f"The next {more} frames are worth {gain.expected:+.3f} mAP50-95 "
        f"(90 % interval {gain.low:+.3f} to {gain.high:+.3f}){cost}."
    )
    if gain.high < worth:
        return f"{said} Stop: even the upper end is less than the {worth:g} that a promotion needs."
    if gain.expected < worth:
        return f"{said} It is probably time to stop; {worth:g} is what a promotion needs."
    return f"{said} Go on."


def spoken(seconds: float) -> str:
    """A length of time as people say it."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
