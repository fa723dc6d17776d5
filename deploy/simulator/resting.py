"""What a long recording is like: animals that sleep most of the time, and a lamp that goes out.

The times of a day are shortened, their shares are not: a cage of mice rests for about two thirds of a
recording, huddled in one place more often than not, and part of it lies in the dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deploy.simulator.motion import Field, Pose

ACTIVE_S = (8.0, 20.0)  # the whole cage, shortest and longest
REST_S = (30.0, 70.0)
LATE_S = 5.0  # by which an animal falls asleep later, or wakes earlier, than the cage
TRIP_CHANCE = 0.25  # of a rest: the animal goes out once by itself, to the feeder say
TRIP_S = (5.0, 10.0)
AT_NEST = 0.7  # of the rests; the others are somewhere on the floor
HUDDLE = 0.45  # body lengths, standard deviation about the nest
NEST_FROM_WALL = 1.3  # body lengths
CURLED = (0.9, 1.4)  # radians of bend
GOING = 2.0  # body lengths a second, on the way to bed
FASTEST_TURN = 9.0  # radians a second
LIGHT_S = (60.0, 100.0)
DARK_S = (15.0, 30.0)
DARK_GAIN = 0.4  # of the light
FADE_S = 1.0


@dataclass(frozen=True)
class Rest:
    """A sleep of one animal, in frames, and where."""

    first: int
    end: int
    pose: Pose


def cage_rests(rng: np.random.Generator, frames: int, fps: float) -> list[tuple[float, float]]:
    """From when to when the cage sleeps, seconds."""
    spans, now = [], float(rng.uniform(*ACTIVE_S)) * float(rng.random())
    while now < frames / fps:
        end = now + float(rng.uniform(*REST_S))
        spans.append((now, end))
        now = end + float(rng.uniform(*ACTIVE_S))
    return spans


def rests_of(
    rng: np.random.Generator,
    spans: list[tuple[float, float]],
    field: Field,
    *,
    length: float,
    frames: int,
    fps: float,
) -> Iterator[Rest]:
    """The sleeps of one animal of body `length` pixels, in a cage that sleeps at `spans` seconds."""
    margin = NEST_FROM_WALL * length
    nest = (field.left + margin, field.bottom - margin)
    for start, stop in spans:
        begin, end = start + rng.uniform(0, LATE_S), stop + rng.uniform(-LATE_S, LATE_S)
        if rng.random() < TRIP_CHANCE:
            out = rng.uniform(begin, end)
            pieces = [(begin, out), (out + rng.uniform(*TRIP_S), end)]
        else:
            pieces = [(begin, end)]
        for since, until in pieces:
            if rng.random() < AT_NEST:
                x, y = rng.normal(nest, HUDDLE * length)
            else:
                x = rng.uniform(field.left + length, field.right - length)
                y = rng.uniform(field.top + length, field.bottom - length)
            bend = float(rng.choice((-1, 1)) * rng.uniform(*CURLED))
            pose = Pose(
                float(np.clip(x, field.left + 0.5 * length, field.right - 0.5 * length)),
                float(np.clip(y, field.top + 0.5 * length, field.bottom - 0.5 * length)),
                float(rng.uniform(-np.pi, np.pi)),
                bend,
                0.0,
            )
            first, last = max(0, round(since * fps)), min(frames, round(until * fps))
            if first < last:
                yield Rest(first, last, pose)


def with_rests(
    poses: list[Pose], rests: Iterator[Rest], *, length: float, fps: float
) -> list[Pose]:
    """`poses` of a walk in which the animal goes to bed, sleeps, and comes back to where it walks."""
    found = list(poses)
    for rest in rests:
        half = (rest.end - rest.first) // 2
        there = _way(found[rest.first], rest.pose, length, fps)[:half]
        back = _way(rest.pose, found[rest.end - 1], length, fps)
        back = back[len(back) - min(len(back), half) :]
        asleep = rest.end - rest.first - len(there) - len(back)
        found[rest.first : rest.end] = [*there, *[rest.pose] * asleep, *back]
    most = FASTEST_TURN / fps
    for place in range(1, len(found)):
        turn = found[place].heading - found[place - 1].heading
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        heading = found[place - 1].heading + float(np.clip(turn, -most, most))
        found[place] = replace(found[place], heading=heading)
    return found


def _way(begin: Pose, end: Pose, length: float, fps: float) -> list[Pose]:
    """Straight from one place to another, the nose ahead."""
    dx, dy = end.x - begin.x, end.y - begin.y
    far = float(np.hypot(dx, dy))
    steps = round(far / (GOING * length) * fps)
    heading = float(np.arctan2(dy, dx))
    shares = [(step + 1) / (steps + 1) for step in range(steps)]
    return [
        Pose(begin.x + s * dx, begin.y + s * dy, heading, 0.0, begin.stride + 9 * s * far / length)
        for s in shares
    ]


def lights(rng: np.random.Generator, frames: int, fps: float) -> NDArray[np.float32]:
    """(frames,) what part of its light the lamp gives: 1 by day, `DARK_GAIN` at night."""
    times = np.arange(frames) / fps
    gains = np.ones(frames, np.float32)
    now = float(rng.uniform(*LIGHT_S)) * float(rng.random())
    while now < frames / fps:
        end = now + float(rng.uniform(*DARK_S))
        edge = np.minimum(times - now, end - times) / FADE_S
        gains -= (1 - DARK_GAIN) * np.clip(edge, 0, 1).astype(np.float32)
        now = end + float(rng.uniform(*LIGHT_S))
    return gains
