"""Is the new model better than another one on the frames that judge, and how sure is that?

A paired bootstrap by block (Künsch 1989, Efron & Tibshirani 1993, ch. 8): neighbouring frames show
nearly the same, so whole stretches of time are drawn with repetition, the same ones for both
models, and the difference of their mAP is looked at over many draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.model_trainer.engines.evaluate_matches import Matches, average_precisions, mean_ap

DRAWS = 1000
ENOUGH_BLOCKS = 10  # with fewer, each block is cut into contiguous parts
FEW_FRAMES = 30
INTERVAL = 0.9


@dataclass(frozen=True)
class Difference:
    """One figure of both models, 0..1, and how far apart they are."""

    new: float
    other: float
    difference: float  # new - other
    low: float  # of the middle 90 % of the draws
    high: float
    share_better: float  # of the draws in which the new one is higher


@dataclass(frozen=True)
class Comparison:
    """The new model against another one on the same frames."""

    new: str
    other: str
    map50: Difference
    map50_95: Difference
    frames: int
    boxes: int
    blocks: int  # of time, as frozen
    units: int  # what was drawn: blocks, or parts of them
    draws: int
    class_agnostic: bool  # all classes counted as one

    @property
    def drawn(self) -> str:
        """What a draw consists of, in words."""
        if self.units == self.blocks:
            return f"{self.units} blocks of time"
        return f"{self.units} contiguous parts of only {self.blocks} blocks of time"

    def better(self, margin: float, confidence: float) -> tuple[bool, str]:
        """Whether the new one is better by `margin` mAP50-95, and in the share `confidence` of draws."""
        found = self.map50_95
        if self.units < 2:
            return False, (
                f"{self.new} cannot be compared with {self.other}: {self.frames} validation "
                f"{'frame is' if self.frames == 1 else 'frames are'} too few. Label more."
            )
        certain = found.share_better >= confidence
        enough = found.difference >= margin
        told = (
            f"mAP50-95 {found.new:.3f} against {found.other:.3f} of {self.other} on {self.frames} "
            f"frames: {found.difference:+.3f} (90 % interval {found.low:+.3f} to {found.high:+.3f}), "
            f"higher in {found.share_better:.0%} of {self.draws} draws of {self.drawn}."
        )
        if certain and enough:
            verdict = f"{self.new} is better by at least {margin:g}."
        elif enough:
            verdict = f"That is not sure enough: {confidence:.0%} of the draws are asked for."
        elif found.difference > 0:
            verdict = f"That is less than the {margin:g} asked for."
        else:
            verdict = f"{self.new} is not better."
        few = (
            f" With {self.frames} frames the interval is wide: more validation frames would tell more."
            if self.frames < FEW_FRAMES and not (certain and enough)
            else ""
        )
        return certain and enough, f"{told} {verdict}{few}"

    def record(self, margin: float, confidence: float) -> dict[str, Any]:
        """All of it for the model's record, with the verdict at these two limits."""
        better, sentence = self.better(margin, confidence)
        return {
            **asdict(self),
            "against": self.other,
            "drawn": self.drawn,
            "difference": self.map50_95.difference,
            "share_better": self.map50_95.share_better,
            "margin": margin,
            "confidence": confidence,
            "better": better,
            "sentence": sentence,
        }


def compare(
    new: tuple[str, Matches],
    other: tuple[str, Matches],
    blocks: Sequence[int],
    *,
    class_agnostic: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare two models by name and matches on the same frames; `blocks` has one of each frame.

    Frames of a block are in order of time. The same input and seed give the same numbers.
    """
    units = units_of(blocks)
    times = _draws(units, draws, np.random.default_rng(seed))
    once = np.ones((1, len(blocks)), np.int64)
    real = [mean_ap(average_precisions(matches, once)) for _, matches in (new, other)]
    drawn = [mean_ap(average_precisions(matches, times)) for _, matches in (new, other)]
    figures = [
        _difference(float(real[0][i][0]), float(real[1][i][0]), drawn[0][i], drawn[1][i])
        for i in range(2)
    ]
    return Comparison(
        new=new[0],
        other=other[0],
        map50=figures[0],
        map50_95=figures[1],
        frames=len(blocks),
        boxes=int(new[1].truths.sum()),
        blocks=len(set(blocks)),
        units=len(set(units)),
        draws=draws,
        class_agnostic=class_agnostic,
    )


def units_of(blocks: Sequence[int]) -> list[int]:
    """What the bootstrap draws, for each frame: its block, or a part of it where blocks are few.

    Four blocks have only 35 different draws; parts of them have more, though they are less
    independent of each other: their intervals are a little too narrow, and `Comparison.drawn`
    says that parts were drawn.
    """
    known = list(dict.fromkeys(blocks))
    if len(known) >= ENOUGH_BLOCKS:
        return [known.index(block) for block in blocks]
    parts = -(-ENOUGH_BLOCKS // max(len(known), 1))
    units, total = [-1] * len(blocks), 0
    for block in known:
        positions = [i for i, each in enumerate(blocks) if each == block]
        pieces = [piece for piece in np.array_split(positions, parts) if len(piece)]
        for piece in pieces:
            for i in piece:
                units[int(i)] = total
            total += 1
    return units


def _draws(units: Sequence[int], draws: int, random: np.random.Generator) -> NDArray[np.int64]:
    """How often each frame counts in each draw (draws, frames)."""
    number = len(set(units))
    chosen = random.integers(0, max(number, 1), (draws, number))
    counts = np.zeros((draws, number), np.int64)
    np.add.at(counts, (np.arange(draws)[:, None], chosen), 1)
    return counts[:, np.asarray(units, np.int64)]


def _difference(
    new: float, other: float, new_drawn: NDArray[np.float64], other_drawn: NDArray[np.float64]
) -> Difference:
    apart = new_drawn - other_drawn
    low, high = np.quantile(apart, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return Difference(new, other, new - other, float(low), float(high), float((apart > 0).mean()))
