"""Outlines of bodies and limbs: tubes around bent spines, in units of one body length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 2) x, y
Role = Literal["body", "second", "skin", "eye", "wing"]


@dataclass(frozen=True)
class Part:
    """One filled outline; parts are painted in order, later ones on top."""

    outline: Points  # (n, 2) body lengths, x forward, y down
    role: Role  # which colour of the coat fills it
    shade: float = 1.0  # multiplies that colour
    opacity: float = 1.0
    in_box: bool = True  # False for thin tails: annotators leave them out of the box


@dataclass(frozen=True)
class Figure:
    """An animal of about one body length, head towards +x, centred near the origin."""

    parts: tuple[Part, ...]
    top_down: bool  # False: seen from the side, so it must not be turned far

    def bounds(self) -> tuple[Points, Points]:
        """Lowest and highest corner of all parts."""
        every = np.concatenate([part.outline for part in self.parts])
        return every.min(axis=0), every.max(axis=0)


def spine(length: float, bend: float, points: int = 24, wave: float = 0.0) -> Points:
    """A curve from the rear (-x) to the head (+x); `bend` radians in all, `wave` adds an S."""
    along = np.linspace(0.0, 1.0, points)
    heading = bend * (along - 0.5) + wave * np.sin(2 * np.pi * along)
    step = length / (points - 1)
    xy = np.stack([np.cos(heading), np.sin(heading)], axis=1) * step
    curve = np.concatenate([np.zeros((1, 2)), np.cumsum(xy[1:], axis=0)])
    return curve - curve[points // 2]


def normals(curve: Points) -> Points:
    """Unit normals of a curve, (n, 2), to the right of its direction (y points down)."""
    tangent = np.gradient(curve, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def tube(curve: Points, radii: NDArray[np.float64]) -> Points:
    """The outline of a tube of varying radius around `curve`, with rounded ends."""
    side = normals(curve)
    right, left = curve + side * radii[:, None], curve - side * radii[:, None]
    head = _cap(curve[-1], curve[-1] - curve[-2], radii[-1])
    rear = _cap(curve[0], curve[0] - curve[1], radii[0])
    return np.concatenate([left, head, right[::-1], rear])


def _cap(centre: Points, direction: Points, radius: float) -> Points:
    angle = np.arctan2(direction[1], direction[0])
    turn = np.linspace(angle - np.pi / 2, angle + np.pi / 2, 8)
    return centre + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def profile(points: int, knots: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Radii at `points` places along a spine, smooth between (place 0..1, radius) knots."""
    at, radius = zip(*knots, strict=True)
    ease = np.interp(np.linspace(0, 1, points * 4), at, radius)
    ease = np.convolve(np.pad(ease, 6, mode="edge"), np.ones(13) / 13, mode="valid")
    return ease[np.linspace(0, len(ease) - 1, points).astype(int)]


def ellipse(x: float, y: float, a: float, b: float, angle: float = 0.0, points: int = 28) -> Points:
    """An ellipse with half axes a, b (body lengths), turned by `angle` radians."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    flat = np.stack([a * np.cos(t), b * np.sin(t)], axis=1)
    return turned(flat, angle) + np.array([x, y])


def turned(points: Points, angle: float) -> Points:
    """`points` turned by `angle` radians about the origin (clockwise on screen, y down)."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def limb(joints: list[tuple[float, float]], thick: float, thin: float) -> Points:
    """A leg or antenna through `joints`, from `thick` to `thin` (radii in body lengths)."""
    knots = np.asarray(joints, dtype=float)
    steps = np.linspace(0, len(knots) - 1, 4 * len(knots))
    curve = np.stack([np.interp(steps, np.arange(len(knots)), knots[:, i]) for i in (0, 1)], 1)
    return tube(curve, np.linspace(thick, thin, len(curve)))
