"""How an animal walks about an open field: bouts of walking, pauses, turns, walls followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TURN_MEMORY_S = 0.35  # how long a turn lasts before the animal thinks of another
SPEED_MEMORY_S = 0.25
BOUT_S = (0.4, 3.0)  # shortest and mean-like longest time in one gait
GAITS = ((0.0, 0.35), (0.9, 0.4), (2.2, 0.25))  # body lengths a second, probability
WALL_REACH = 0.9  # body lengths from a wall at which it steers along it


@dataclass(frozen=True)
class Field:
    """The floor that the animals may stand on, pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Pose:
    """Where an animal is in one frame."""

    x: float  # pixels, middle of the body
    y: float
    heading: float  # radians, 0 to the right, clockwise on screen
    bend: float  # radians from tail to head
    stride: float  # phase of the paws, radians


def walk(
    rng: np.random.Generator, field: Field, *, length: float, frames: int, fps: float
) -> list[Pose]:
    """`frames` poses of one animal of body `length` pixels: a correlated random walk in `field`.

    The turning rate and the speed are Ornstein-Uhlenbeck processes; the speed's target is the gait
    of the present bout. Near a wall the animal turns along it, which makes it follow walls.
    """
    dt = 1 / fps
    x = rng.uniform(field.left + length, field.right - length)
    y = rng.uniform(field.top + length, field.bottom - length)
    heading, turning, speed, bend, stride = rng.uniform(-np.pi, np.pi), 0.0, 0.0, 0.0, 0.0
    gait, bout_left = 0.9, 0.5
    poses = []
    for _ in range(frames):
        bout_left -= dt
        if bout_left <= 0:
            paces, weights = zip(*GAITS, strict=True)
            gait = float(rng.choice(paces, p=weights)) * rng.uniform(0.7, 1.3)
            bout_left = rng.uniform(*BOUT_S)
        wish = 0.3 if gait == 0 else 1.6  # a pausing animal still looks about a little
        turning += -turning * dt / TURN_MEMORY_S + wish * rng.normal() * np.sqrt(dt / TURN_MEMORY_S)
        turning += _away_from_walls(x, y, heading, field, length) * dt
        turning = float(np.clip(turning, -4.5, 4.5))
        speed += (gait * length - speed) * dt / SPEED_MEMORY_S
        heading += turning * dt * (0.3 + 0.7 * min(1.0, speed / length))
        x = float(
            np.clip(
                x + speed * np.cos(heading) * dt,
                field.left + 0.3 * length,
                field.right - 0.3 * length,
            )
        )
        y = float(
            np.clip(
                y + speed * np.sin(heading) * dt,
                field.top + 0.3 * length,
                field.bottom - 0.3 * length,
            )
        )
        bend += (0.45 * turning - bend) * dt / 0.15
        stride += speed / length * 9 * dt
        poses.append(Pose(x, y, heading, float(np.clip(bend, -1.4, 1.4)), stride))
    return poses


def _away_from_walls(x: float, y: float, heading: float, field: Field, length: float) -> float:
    """Turning acceleration, radians a second squared, that brings the heading along a near wall."""
    reach = WALL_REACH * length
    push_x = max(0.0, field.left + reach - x) - max(0.0, x - field.right + reach)
    push_y = max(0.0, field.top + reach - y) - max(0.0, y - field.bottom + reach)
    if push_x == 0 and push_y == 0:
        return 0.0
    inward = np.cos(heading) * push_x + np.sin(heading) * push_y
    if inward >= 0:  # already walking along the wall or away from it
        return 0.0
    cross = np.cos(heading) * push_y - np.sin(heading) * push_x
    way = 1.0 if cross >= 0 else -1.0
    return way * 40.0 * min(1.0, float(np.hypot(push_x, push_y)) / reach)
