"""The frames of a video that a person shall label next, by a budget over the strategies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from services.video_processor.engines.choice.candidates import Gathered, allowed, gather
from services.video_processor.engines.choice.port import CannotAct, Chosen, Ranked
from services.video_processor.engines.choice.selection import Picker, pick, shared_out
from services.video_processor.engines.choice.strategies import STRATEGIES
from services.video_processor.engines.frames import Table
from shared.errors import Conflict, Invalid
from shared.events.learning_settings import FrameBudget
from shared.progress.report import Report, silent

log = structlog.get_logger()

UNIFORM = "uniform"


@dataclass(frozen=True)
class Choice:
    """The frames, and what a user should know of how they were found."""

    chosen: tuple[Chosen, ...]  # ascending
    notes: tuple[str, ...]  # sentences

    def by_strategy(self) -> dict[str, int]:
        """How many frames each strategy chose."""
        names = [each.strategy for each in self.chosen]
        return {name: names.count(name) for name in STRATEGIES if name in names}


@dataclass(frozen=True)
class Wish:
    """One video of several, and what is known of it."""

    video: Path
    taken: Collection[int] = ()
    last: Path | None = None
    other: Path | None = None
    avoid_s: Sequence[tuple[float, float]] = ()  # from, to: whoever labels there labels in vain


def choose(
    video: Path,
    count: int,
    budget: FrameBudget,
    *,
    seed: int = 0,
    taken: Collection[int] = (),
    last: Path | None = None,
    other: Path | None = None,
    report: Report = silent,
) -> tuple[Chosen, ...]:
    """`count` frames of `video`, ascending; see `decide`."""
    known = Wish(video, taken, last, other)
    return decide(known, count, budget, seed=seed, report=report).chosen


def decide(
    wish: Wish, count: int, budget: FrameBudget, *, seed: int = 0, report: Report = silent
) -> Choice:
    """`count` frames of a video, and notes; the same arguments give the same frames.

    `wish.taken` are frames of earlier rounds, never chosen again; `last` and `other` are
    results.csv of the last and of the global model. Two frames lie `budget.min_gap_s` apart, as
    far as the video is long enough from earlier ones too, and outside `wish.avoid_s`. A strategy
    that cannot act gives its share to the others. There are fewer frames than `count` only where
    no more fit. Raises `Invalid`, `MediaRejected`, and `Conflict` when no frame is left.
    """
    if count < 1:
        raise Invalid(f"{count} frames were asked for; ask for at least 1.")
    table = Table(wish.video)
    if not len(table):
        raise Invalid("A video without frames has none to choose from.")
    shares = {name: share for name, share in budget.shares().items() if share > 0}
    gathered = gather(
        wish.video,
        table,
        count,
        gap_s=budget.min_gap_s,
        motion="motion" in shares,
        seed=seed,
        taken=sorted({frame for frame in wish.taken if 0 <= frame < len(table)}),
        avoid_s=wish.avoid_s,
        last=wish.last,
        other=wish.other,
        report=report,
    )
    notes: list[str] = []
    rankings, shares = _rankings(gathered, count, shares, seed, notes)
    material = gathered.material
    picker = Picker(
        material.frames.tolist(), material.times.tolist(), gathered.looks, budget.min_gap_s
    )
    for row, frame in enumerate(material.frames.tolist()):
        if material.taken[row]:
            picker.know(frame, table.time_s(frame), row)
    short = pick(picker, count, shares, rankings)
    for name, frames in short.items():
        if name != UNIFORM:
            notes.append(f"{name} found {frames} frames too few: the others chose more.")
    _fill(picker, gathered, table, count, seed, notes, allowed(table, wish.avoid_s))
    if not picker.chosen:
        raise Conflict(
            f"All {len(table)} frames of {wish.video.name} were chosen in earlier rounds. "
            "Finish here, or add a video."
        )
    choice = Choice(tuple(picker.chosen[frame] for frame in sorted(picker.chosen)), tuple(notes))
    told = ", ".join(f"{name} {number}" for name, number in choice.by_strategy().items())
    log.info("video_processor.frames.chosen", **choice.by_strategy(), notes=notes)
    report(1.0, " ".join([f"{len(choice.chosen)} frames: {told}.", *notes]))
    return choice


def choose_each(
    wishes: Mapping[str, Wish],
    count: int,
    budget: FrameBudget,
    *,
    seed: int = 0,
    report: Report = silent,
) -> dict[str, Choice]:
    """`count` frames over several videos, each with its quota by length; see `decide`."""
    names = list(wishes)
    quotas = video_quotas([len(Table(wishes[name].video)) for name in names], count)
    found = {}
    for place, (name, quota) in enumerate(zip(names, quotas, strict=True)):
        told = part_of(report, place / len(names), (place + 1) / len(names))
        if quota:
            found[name] = decide(wishes[name], quota, budget, seed=seed + place, report=told)
    return found


def part_of(report: Report, low: float, high: float) -> Report:
    """Progress of one part of the work: `low` to `high` (0..1) of the whole."""

    def told(fraction: float, message: str = "", **figures: float) -> None:
        report(low + fraction * (high - low), message, **figures)

    return told


def video_quotas(frames: Sequence[int], count: int) -> list[int]:
    """How many of `count` frames come from each video of so many frames.

    By the square root of the length: a long video does not crowd out the others, which show other
    animals, cages and light. Every video has one before any has two; none has more than it is long.
    """
    quotas = [0] * len(frames)
    left = min(count, sum(frames))
    while left:
        room = {str(i): frames[i] ** 0.5 for i in range(len(frames)) if quotas[i] < frames[i]}
        if left < len(room):
            longest = sorted(room, key=lambda name: -room[name])[:left]
            more = dict.fromkeys(longest, 1)
        else:
            more = {name: 1 for name in room if not quotas[int(name)]}
            extra = shared_out(left - sum(more.values()), room)
            more = {name: more.get(name, 0) + extra[name] for name in room}
        for name, number in more.items():
            quotas[int(name)] = min(quotas[int(name)] + number, frames[int(name)])
        left = min(count, sum(frames)) - sum(quotas)
    return quotas


def _rankings(
    gathered: Gathered, count: int, shares: Mapping[str, float], seed: int, notes: list[str]
) -> tuple[dict[str, Sequence[Ranked]], dict[str, float]]:
    """The rankings of the strategies that can act, and their shares."""
    rankings: dict[str, Sequence[Ranked]] = {}
    quotas = shared_out(count, shares)
    for name, strategy in STRATEGIES.items():
        if name not in shares:
            continue
        try:
            rankings[name] = strategy.rank(gathered.material, max(quotas[name], 1), seed)
        except CannotAct as why:
            notes.append(f"{name} gave its share to the others: {why}.")
    if not rankings:
        notes.append("No strategy of the budget could act: the frames are spread over the video.")
        rankings[UNIFORM] = STRATEGIES[UNIFORM].rank(gathered.material, count, seed)
        return rankings, {UNIFORM: 1.0}
    return rankings, {name: shares[name] for name in rankings}


def _fill(
    picker: Picker,
    gathered: Gathered,
    table: Table,
    count: int,
    seed: int,
    notes: list[str],
    every: NDArray[np.int64],
) -> None:
    """Take what is left: first frames that look alike, then ones close to earlier rounds'."""
    start = len(picker.chosen)
    for near in (False, True):
        if (left := count - len(picker.chosen)) <= 0:
            break
        for ranked in STRATEGIES[UNIFORM].rank(gathered.material, left, seed + 1):
            if len(picker.chosen) < count:
                picker.take(ranked, UNIFORM, alike=True, near=near)
    left_over = every if len(picker.chosen) < count else every[:0]
    for frame in np.random.default_rng((seed, 4)).permutation(left_over).tolist():
        time_s = table.time_s(frame)
        if len(picker.chosen) < count and picker.fits(frame, time_s, near=True):
            picker.put(frame, time_s, UNIFORM, 0.0)
    if filled := len(picker.chosen) - start:
        notes.append(f"{filled} frames look like others, or lie close to earlier ones.")
    if (missing := count - len(picker.chosen)) > 0:
        notes.append(
            f"{missing} of {count} frames are missing: no more fit with this gap. Ask for fewer, or "
            "lower `min_gap_s`."
        )
