"""Floors, walls, water and landscapes without any animal in them, one function a family."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.simulator.sprites import Rgb, smooth_noise

Background = Callable[[np.random.Generator, int, int], Rgb]


def any_colour(rng: np.random.Generator, saturation: float = 0.35) -> NDArray[np.float32]:
    """A colour as RGB 0..1: grey for `saturation` 0; brightness spreads over the whole range."""
    value, tint = rng.uniform(0.03, 0.97), rng.uniform(-1, 1, 3) * saturation * rng.random()
    return np.clip(value * (1 + tint), 0, 1).astype(np.float32)


def _flat(colour: NDArray[np.float32], height: int, width: int) -> Rgb:
    return np.broadcast_to(colour, (height, width, 3)).astype(np.float32).copy()


def fractal(rng: np.random.Generator, height: int, width: int, roughness: float = 0.55) -> NDArray:
    """1/f noise about zero, standard deviation one: the spectrum of natural pictures."""
    total = np.zeros((height, width), np.float32)
    weight, cell = 1.0, max(height, width) / 2
    while cell >= 1:
        total += weight * smooth_noise(rng, height, width, cell)
        weight, cell = weight * roughness * 1.2, cell / 2
    return (total - total.mean()) / (total.std() + 1e-6)


def arena(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """An open field seen from above: an even floor, walls in perspective, sometimes round."""
    picture = _flat(any_colour(rng), height, width)
    floor = np.zeros((height, width), np.float32)
    if rng.random() < 0.3:
        centre = (int(width * rng.uniform(0.42, 0.58)), int(height * rng.uniform(0.42, 0.58)))
        axes = (int(width * rng.uniform(0.36, 0.6)), int(height * rng.uniform(0.4, 0.62)))
        cv2.ellipse(floor, centre, axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    else:
        inset = rng.uniform(-0.08, 0.16, (4, 2)) * (width, height)
        corner = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
        inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        quad = corner + inward * inset
        for a, b in zip(quad, corner, strict=True):
            shade = float(rng.uniform(0.3, 1.0))
            line = np.array([a, b]).astype(int)
            cv2.line(picture, tuple(line[0]), tuple(line[1]), (shade, shade, shade), 1, cv2.LINE_AA)
        cv2.fillPoly(floor, [quad.astype(np.int32)], 1.0, cv2.LINE_AA)
    walls = picture * (1 + 0.25 * smooth_noise(rng, height, width, width / 3))[..., None]
    texture = rng.uniform(0, 0.08) * fractal(rng, height, width)
    ground = _flat(any_colour(rng), height, width) * (1 + texture)[..., None]
    soft = cv2.GaussianBlur(floor, (0, 0), rng.uniform(0.5, 2.5))[..., None]
    picture = walls * (1 - soft) + ground * soft
    rim = np.abs(cv2.Laplacian(soft, cv2.CV_32F))
    return picture * (1 - np.clip(rim * rng.uniform(0, 4), 0, 0.7))[..., None]


def bedding(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Wood chips, straw or grains: thousands of short strokes in shades of one colour."""
    base = any_colour(rng, 0.5)
    picture = (_flat(base, height, width) * 255).astype(np.uint8)
    count, long = int(rng.integers(150, 900)), rng.uniform(2, 12)
    spread = rng.uniform(0.08, 0.35)
    at = rng.uniform(0, 1, (count, 2)) * (width, height)
    turn, shade = rng.uniform(0, np.pi, count), 1 + spread * rng.normal(size=count)
    ends = at + np.stack([np.cos(turn), np.sin(turn)], 1) * long
    thick = int(rng.integers(1, 4))
    for a, b, s in zip(at.astype(int), ends.astype(int), shade, strict=True):
        colour = tuple(float(c) for c in np.clip(base * s, 0, 1) * 255)
        cv2.line(picture, tuple(a.tolist()), tuple(b.tolist()), colour, thick, cv2.LINE_AA)
    return picture.astype(np.float32) / 255


def grass(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Grass or gravel: noise drawn out in one direction, in two shades."""
    stretch = rng.uniform(0.15, 1.0)
    fine = smooth_noise(rng, height, width, rng.uniform(1.5, 5), stretch)
    wide = smooth_noise(rng, height, width, rng.uniform(20, 80))
    mix = np.clip(0.5 + 0.35 * fine + 0.3 * wide, 0, 1)[..., None]
    return any_colour(rng, 0.8) * mix + any_colour(rng, 0.8) * (1 - mix)


def gradient(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """A plain backdrop whose colour changes slowly: a screen, a wall, the sky, a light table."""
    turn = rng.uniform(0, 2 * np.pi)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    along = (np.cos(turn) * xs / width + np.sin(turn) * ys / height + 1) / 2
    first = any_colour(rng)
    second = first * rng.uniform(0.7, 1.3) if rng.random() < 0.6 else any_colour(rng)
    return first * along[..., None] + second * (1 - along[..., None])


def grid(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Wire floors, millimetre paper and perforated plates on an even ground."""
    picture = _flat(any_colour(rng), height, width)
    step, contrast = int(rng.integers(6, 40)), rng.uniform(-0.4, 0.4)
    layer = np.zeros((height, width), np.float32)
    if rng.random() < 0.5:
        layer[::step, :] = 1.0
        layer[:, ::step] = 1.0
    else:
        for y in range(step // 2, height, step):
            for x in range(step // 2, width, step):
                cv2.circle(layer, (x, y), max(1, step // 4), 1.0, -1, cv2.LINE_AA)
    patch = smooth_noise(rng, height, width, width / 2) > rng.uniform(-1, 0.5)
    return picture + contrast * (layer * patch)[..., None]


def tiles(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Tiles, planks or bricks with joints, every one in a slightly different shade."""
    picture = _flat(any_colour(rng), height, width)
    rows, cols = int(rng.integers(12, 90)), int(rng.integers(20, 160))
    spread, joint = rng.uniform(0.02, 0.2), rng.uniform(0.4, 1.4)
    for i, y in enumerate(range(0, height, rows)):
        shift = cols // 2 if i % 2 else 0
        for x in range(-shift, width, cols):
            picture[y : y + rows, max(0, x) : x + cols] *= 1 + spread * rng.normal()
            picture[y : y + rows, max(0, x) : max(0, x) + 1] *= joint
        picture[y : y + 1] *= joint
    return picture * (1 + 0.06 * fractal(rng, height, width))[..., None]


def water(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Water with caustics or waves; horizontal features, bright crests."""
    waves = smooth_noise(rng, height, width, rng.uniform(4, 16), rng.uniform(2, 6))
    crest = np.clip(1 - np.abs(waves) * 3, 0, 1) * rng.uniform(0, 0.35)
    deep = smooth_noise(rng, height, width, width / 3) * 0.15
    return any_colour(rng, 0.8) * (1 + deep + 0.1 * waves)[..., None] + crest[..., None]


def landscape(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """1/f noise in three colours, often with a horizon: the statistics of a photograph."""
    field = fractal(rng, height, width, rng.uniform(0.4, 0.65))
    low, mid, high = (any_colour(rng, 0.6) for _ in range(3))
    t = np.clip(field * 0.25 + 0.5, 0, 1)[..., None]
    picture = np.where(
        t < 0.5, low * (1 - 2 * t) + mid * 2 * t, mid * (2 - 2 * t) + high * (2 * t - 1)
    )
    if rng.random() < 0.4:
        horizon = int(height * rng.uniform(0.15, 0.6))
        picture[:horizon] = gradient(rng, horizon, width) if horizon else 0
    return picture.astype(np.float32)


def leaves(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Overlapping plain shapes of all sizes (the dead-leaves model of natural pictures)."""
    picture = (_flat(any_colour(rng), height, width) * 255).astype(np.uint8)
    for radius in np.sort(rng.pareto(1.6, int(rng.integers(25, 140))) * 0.03 * width + 3)[::-1]:
        r = float(min(radius, width * 0.6))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        colour = tuple(float(c) for c in any_colour(rng, 0.6) * 255)
        corners = int(rng.integers(3, 7))
        turn = rng.uniform(0, 2 * np.pi) + np.arange(corners) / corners * 2 * np.pi
        outline = np.stack([x + r * np.cos(turn), y + r * rng.uniform(0.4, 1.2) * np.sin(turn)], 1)
        cv2.fillPoly(picture, [outline.astype(np.int32)], colour, cv2.LINE_AA)
    smooth = picture.astype(np.float32) / 255
    return smooth * (1 + rng.uniform(0, 0.15) * fractal(rng, height, width))[..., None]


def dark_field(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Nearly black, as under infrared or dark-field light, with faint dirt and scratches."""
    picture = np.full((height, width), rng.uniform(0.0, 0.08), np.float32)
    if rng.random() < 0.6:
        picture += rng.uniform(0, 0.12) * np.clip(grid(rng, height, width)[..., 0], 0, 1)
    for _ in range(int(rng.integers(0, 60))):
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        cv2.circle(
            picture, (x, y), int(rng.integers(1, 3)), float(rng.uniform(0.2, 1)), -1, cv2.LINE_AA
        )
    return np.repeat(picture[..., None], 3, axis=2)


def mesh(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """A wire mesh turned by some angle (held out of training)."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    turn, step = rng.uniform(0.2, 1.3), rng.uniform(10, 30)
    u, v = np.cos(turn) * xs + np.sin(turn) * ys, np.cos(turn) * ys - np.sin(turn) * xs
    wire = (np.abs(np.sin(np.pi * u / step)) < 0.12) | (np.abs(np.sin(np.pi * v / step)) < 0.12)
    soft = cv2.GaussianBlur(wire.astype(np.float32), (0, 0), 0.8)[..., None]
    return any_colour(rng) * (1 - soft) + any_colour(rng) * soft


def wood(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Sawn wood with rings (held out of training)."""
    warp = smooth_noise(rng, height, width, width / 3, 3.0) * rng.uniform(1, 4)
    ys = np.mgrid[0:height, 0:width][0].astype(np.float32)
    rings = np.sin(ys / height * rng.uniform(20, 60) + warp * 3)
    return any_colour(rng, 0.6) * (1 + 0.18 * rings + 0.08 * fractal(rng, height, width))[..., None]


TRAINING: tuple[tuple[Background, float], ...] = (
    (arena, 5), (bedding, 2), (grass, 1.5), (gradient, 2.5), (grid, 1.5), (tiles, 1.5),
    (water, 1), (landscape, 2), (leaves, 1.5), (dark_field, 2),
)  # fmt: skip
HELD_OUT: tuple[tuple[Background, float], ...] = ((mesh, 1), (wood, 1))
