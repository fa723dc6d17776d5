"""Rodents from above and from the side, with bodies that bend, ears, paws and a tail."""

from __future__ import annotations

import numpy as np

from deploy.simulator.geometry import (
    Figure,
    Part,
    Points,
    ellipse,
    limb,
    normals,
    profile,
    spine,
    tube,
)

_POINTS = 24


def rodent_from_above(
    rng: np.random.Generator, bend: float | None = None, stride: float | None = None
) -> Figure:
    """A mouse or rat seen from above; `bend` in radians, `stride` is the phase of the paws.

    The random shape (girth, ears, tail) is drawn before the pose, so one seed keeps one individual.
    """
    girth, ear, tail_length = rng.uniform(0.14, 0.27), rng.uniform(0.035, 0.09), rng.uniform(0, 1.1)
    snout, belly = rng.uniform(0.02, 0.05), rng.uniform(0.3, 0.5)
    tail_curl, tail_wave, tail_width = (
        rng.normal(0, 1.0),
        rng.normal(0, 0.7),
        rng.uniform(0.012, 0.032),
    )
    bend = rng.normal(0, 0.7) if bend is None else bend
    stride = rng.uniform(0, 2 * np.pi) if stride is None else stride
    back = spine(1.0, bend, _POINTS)
    side = normals(back)
    radii = profile(
        _POINTS,
        [
            (0, 0.05),
            (0.08, 0.6 * girth),
            (belly, girth),
            (0.68, 0.68 * girth),
            (0.85, 0.5 * girth),
            (1, snout),
        ],
    )
    parts: list[Part] = []
    if tail_length > 0.15:
        parts.append(_tail(back, tail_length, tail_width, tail_curl + 0.4 * bend, tail_wave))
    for place, way, phase in ((0.2, 1, 0.0), (0.2, -1, np.pi), (0.66, 1, np.pi), (0.66, -1, 0.0)):
        at = (
            back[int(place * (_POINTS - 1))] + way * side[int(place * (_POINTS - 1))] * 0.85 * girth
        )
        forward = back[int(place * (_POINTS - 1)) + 1] - back[int(place * (_POINTS - 1))]
        at = at + forward / np.linalg.norm(forward) * 0.06 * np.sin(stride + phase)
        parts.append(
            Part(ellipse(at[0], at[1], 0.06, 0.03, np.arctan2(forward[1], forward[0])), "skin")
        )
    parts.append(Part(tube(back, radii), "body"))
    parts.append(Part(tube(back[5:17], 0.45 * radii[5:17]), "second", opacity=rng.uniform(0, 0.5)))
    facing = float(np.arctan2(*(back[-1] - back[-3])[::-1]))
    for way in (1, -1):
        at = back[-6] + way * side[-6] * (0.5 * girth + 0.4 * ear)
        parts.append(Part(ellipse(at[0], at[1], ear, 0.75 * ear, facing + 0.5 * way), "skin", 0.95))
        eye = back[-4] + way * side[-4] * 0.38 * girth
        parts.append(Part(ellipse(eye[0], eye[1], 0.014, 0.014), "eye"))
    parts.append(Part(ellipse(back[-1][0], back[-1][1], 0.6 * snout, 0.6 * snout), "skin"))
    return Figure(tuple(parts), top_down=True)


def _tail(back: Points, length: float, width: float, curl: float, wave: float) -> Part:
    curve = spine(length, curl, _POINTS, wave)
    rear = back[0] - back[2]
    angle = np.arctan2(rear[1], rear[0]) - np.arctan2(*(curve[1] - curve[0])[::-1])
    c, s = np.cos(angle), np.sin(angle)
    curve = (curve - curve[0]) @ np.array([[c, s], [-s, c]]) + back[0]
    return Part(tube(curve, np.linspace(width, 0.35 * width, _POINTS)), "skin", in_box=False)


def huddled(rng: np.random.Generator) -> Figure:
    """A resting animal rolled into a ball: little but a coat, two ears and a tail along the side."""
    girth = rng.uniform(0.3, 0.44)
    outline = ellipse(0, 0, 0.5, girth, points=40)
    outline = (
        outline * (1 + 0.05 * np.sin(np.arange(40) / 40 * 2 * np.pi * rng.integers(2, 5)))[:, None]
    )
    parts = [Part(outline, "body")]
    turn = rng.uniform(-0.8, 0.8)
    for way in (-0.35, 0.35):
        x, y = 0.38 * np.cos(turn + way), 0.38 * np.sin(turn + way)
        parts.append(Part(ellipse(x, y, 0.09, 0.07, turn + way), "skin"))
    parts.append(Part(tube(_arc(0.44, turn + 0.9, 1.8), np.full(_POINTS, 0.02)), "skin"))
    parts.append(Part(ellipse(0.5 * np.cos(turn), 0.46 * np.sin(turn), 0.035, 0.035), "skin"))
    return Figure(tuple(parts), top_down=True)


def _arc(radius: float, start: float, sweep: float) -> Points:
    t = np.linspace(start, start + sweep, _POINTS)
    return radius * np.stack([np.cos(t), 0.8 * np.sin(t)], axis=1)


def rodent_from_the_side(rng: np.random.Generator) -> Figure:
    """A sitting, walking or rearing rodent, as a camera at floor height sees it."""
    girth, rear_up = rng.uniform(0.19, 0.28), rng.uniform(0, 0.8)
    back = spine(1.0, 0.5, _POINTS)
    radii = profile(
        _POINTS, [(0, 0.08), (0.25, girth), (0.5, girth), (0.78, 0.55 * girth), (1, 0.03)]
    )
    parts = [_tail(back, rng.uniform(0.3, 1.0), 0.025, rng.normal(0, 0.8), rng.normal(0, 0.5))]
    for x in (-0.28, -0.2, 0.16, 0.22):
        foot = (x + rng.uniform(-0.05, 0.12), girth + rng.uniform(0.06, 0.16))
        parts.append(Part(limb([(x, 0.1), (x, 0.8 * girth), foot], 0.06, 0.025), "skin"))
    parts.append(Part(tube(back, radii), "body"))
    ear, eye = back[-7] - (0.0, 0.6 * girth), back[-4] - (0.0, 0.06)
    parts.append(Part(ellipse(ear[0], ear[1], 0.07, 0.09, -0.3), "skin"))
    parts.append(Part(ellipse(eye[0], eye[1], 0.02, 0.02), "eye"))
    c, s = np.cos(-rear_up), np.sin(-rear_up)
    turn = np.array([[c, s], [-s, c]])
    lifted = tuple(
        Part(part.outline @ turn, part.role, part.shade, part.opacity, part.in_box)
        for part in parts
    )
    return Figure(lifted, top_down=False)
