"""Which frames to take, and which packets must be decoded to get them. Pure arithmetic."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.errors import Invalid


def choose(n_frames: int, count: int, seed: int) -> list[int]:
    """`count` frame numbers out of `n_frames`, ascending, spread evenly but not regularly.

    One is drawn at random in each of `count` equal stretches: they cover the whole video and do
    not beat with a behaviour that repeats itself.

    The same arguments give the same numbers; `count` at or above `n_frames` gives all.
    """
    if n_frames < 1:
        raise Invalid("A video without frames has none to choose from.")
    if count < 1:
        raise Invalid(f"{count} frames were asked for; ask for at least 1.")
    if count >= n_frames:
        return list(range(n_frames))
    chance = random.Random(seed)
    edges = [stretch * n_frames // count for stretch in range(count + 1)]
    return [chance.randrange(low, high) for low, high in pairwise(edges)]


@dataclass(frozen=True)
class Sent:
    """One packet, in the order in which the decoder gets it."""

    pts: int
    keyframe: bool


@dataclass(frozen=True)
class Run:
    """Packets first..last (decode order, both included) and the frames wanted of them."""

    first: int
    last: int
    wanted: dict[int, int]  # pts -> frame number


def plan(sent: Sequence[Sent], numbers: Iterable[int]) -> list[Run]:
    """The shortest runs of packets that show the frames `numbers`.

    A frame is decoded from the last keyframe that is sent no later than the frame itself and is
    *shown* no later: frames sent after a keyframe but shown before it (open groups of pictures)
    also need the group before, so for them the search goes one keyframe further back.
    """
    shown = sorted(range(len(sent)), key=lambda index: sent[index].pts)
    keys = [index for index, packet in enumerate(sent) if packet.keyframe]
    needs: list[tuple[int, int, int, int]] = []  # first, last, pts, number
    for number in numbers:
        at = shown[number]
        pts = sent[at].pts
        first = next((key for key in _back(keys, at) if sent[key].pts <= pts), 0)
        needs.append((first, at, pts, number))
    runs: list[Run] = []
    for first, last, pts, number in sorted(needs):
        if runs and first <= runs[-1].last + 1:
            before = runs[-1]
            before.wanted[pts] = number
            runs[-1] = Run(before.first, max(before.last, last), before.wanted)
        else:
            runs.append(Run(first, last, {pts: number}))
    return runs


def _back(keys: Sequence[int], at: int) -> Iterable[int]:
    """Keyframes sent no later than packet `at`, the latest first."""
    return (keys[index] for index in range(bisect_right(keys, at) - 1, -1, -1))
