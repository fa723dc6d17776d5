"""The arena without its animals: floor, walls, lamp, toys and dirt, and what stands over the floor."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deploy.simulator import creatures
from deploy.simulator.backgrounds import fractal
from deploy.simulator.camera import lamp
from deploy.simulator.compositing import paste
from deploy.simulator.motion import Field
from deploy.simulator.sprites import Coat, Plane, Rgb, draw, smooth_noise

WALL = 0.075  # of the picture's height


@dataclass(frozen=True)
class Stage:
    """Everything in an arena that does not move."""

    floor: Rgb  # (h, w, 3) before the lamp
    cover: Rgb  # tunnel and feeder, premultiplied by their mask
    cover_mask: Plane  # 1 where something stands between camera and floor
    lamp: Plane  # gain per pixel
    field: Field
    tone: float  # mean brightness of the floor, 0..1


def build(rng: np.random.Generator, width: int, height: int) -> Stage:
    """A sand-coloured bedded floor in a glass box, with things in it that are not animals."""
    wall = WALL * height
    field = Field(wall, wall, width - wall, height - wall)
    tone = float(rng.uniform(0.42, 0.56))
    hue = np.array([1.06, 1.0, 0.9], np.float32)
    mottle = 0.09 * fractal(rng, height, width, 0.7) + 0.05 * smooth_noise(rng, height, width, 3)
    floor = (tone * hue) * (1 + mottle)[..., None]
    floor = _chips(floor.astype(np.float32), rng)
    floor = _walls(floor, field, rng)
    floor = _dirt(floor, field, rng, tone)
    floor = _toys(floor, field, rng, tone)
    cover, mask = _furniture(rng, width, height, field)
    floor, cover = np.clip(floor, 0, 1).astype(np.float32), cover.astype(np.float32)
    return Stage(floor, cover, mask, lamp(rng, height, width, 0.55), field, tone)


def _chips(floor: Rgb, rng: np.random.Generator) -> Rgb:
    height, width = floor.shape[:2]
    for _ in range(width * height // 220):
        x, y, turn = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, np.pi)
        long, shade = rng.uniform(2, 7) * width / 640, rng.uniform(0.75, 1.25)
        at = (int(x), int(y))
        colour = tuple(float(c) for c in floor[at[1], at[0]] * shade)
        cv2.line(
            floor,
            at,
            (int(x + long * np.cos(turn)), int(y + long * np.sin(turn))),
            colour,
            1,
            cv2.LINE_AA,
        )
    return floor


def _walls(floor: Rgb, field: Field, rng: np.random.Generator) -> Rgb:
    height, width = floor.shape[:2]
    inner = [int(v) for v in (field.left, field.top, field.right, field.bottom)]
    glass = cv2.GaussianBlur(floor, (0, 0), 6) * float(rng.uniform(0.45, 0.65))
    glass = glass * (1 + 0.2 * smooth_noise(rng, height, width, width / 4))[..., None]
    inside = np.zeros((height, width, 1), np.float32)
    inside[inner[1] : inner[3], inner[0] : inner[2]] = 1.0
    floor = floor * inside + glass * (1 - inside)
    cv2.rectangle(
        floor, (inner[0], inner[1]), (inner[2], inner[3]), (0.22, 0.22, 0.22), 2, cv2.LINE_AA
    )
    return floor


def _dirt(floor: Rgb, field: Field, rng: np.random.Generator, tone: float) -> Rgb:
    """Droppings, and clumps of nest material about as large and as dark as an animal."""
    height, width = floor.shape[:2]
    unit = width / 640
    for _ in range(28):
        at = (int(rng.uniform(field.left, field.right)), int(rng.uniform(field.top, field.bottom)))
        axes = (max(1, int(3.2 * unit)), max(1, int(1.6 * unit)))
        cv2.ellipse(
            floor, at, axes, float(rng.uniform(0, 180)), 0, 360, (0.16, 0.13, 0.1), -1, cv2.LINE_AA
        )
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(4):
        x, y = (
            rng.uniform(field.left + 30, field.right - 30),
            rng.uniform(field.top + 30, field.bottom - 30),
        )
        long, turn = rng.uniform(24, 40) * unit, rng.uniform(0, np.pi)
        u = (np.cos(turn) * (xs - x) + np.sin(turn) * (ys - y)) / long
        v = (np.cos(turn) * (ys - y) - np.sin(turn) * (xs - x)) / (0.55 * long)
        ragged = 0.35 * smooth_noise(rng, height, width, 0.2 * long)
        mask = np.clip((1 - np.hypot(u, v) + ragged) * 4, 0, 1)[..., None]
        grain = 0.25 * smooth_noise(rng, height, width, 1.5)[..., None]
        shade = tone * float(rng.choice([0.45, 0.6, 1.45]))
        floor = floor * (1 - mask) + shade * (1 + grain) * mask
    return floor


def _toys(floor: Rgb, field: Field, rng: np.random.Generator, tone: float) -> Rgb:
    """Novel objects, as such experiments use them: rubber figures that never move."""
    unit = floor.shape[1] / 640
    for shape, ink in (
        (creatures.beetle, 0.12),
        (creatures.bird, 0.9),
        (creatures.fish_from_the_side, 0.2),
    ):
        grey = (ink, ink, ink)
        coat = Coat(grey, tuple(0.7 * c for c in grey), grey, (0.05,) * 3, grey, "plain", 0.05)
        centre = (
            float(rng.uniform(field.left + 50 * unit, field.right - 50 * unit)),
            float(rng.uniform(field.top + 50 * unit, field.bottom - 50 * unit)),
        )
        length = float(rng.uniform(42, 62)) * unit
        sprite = draw(
            shape(rng), coat, rng, centre=centre, length=length, angle=float(rng.uniform(0, 6.28))
        )
        floor = paste(floor, sprite, shadow=0.35 * tone)
    return floor


def _furniture(
    rng: np.random.Generator, width: int, height: int, field: Field
) -> tuple[Rgb, Plane]:
    """A tunnel to hide in and a feeder in a corner; both hide what is beneath them."""
    mask, cover = np.zeros((height, width), np.float32), np.zeros((height, width, 3), np.float32)
    unit = width / 640
    centre = (float(rng.uniform(0.35, 0.65) * width), float(rng.uniform(0.35, 0.65) * height))
    size, turn = (130 * unit, 58 * unit), float(rng.uniform(0, 180))
    outline = cv2.boxPoints((centre, size, turn)).astype(np.int32)
    cv2.fillPoly(mask, [outline], 1.0, cv2.LINE_AA)
    axis = np.deg2rad(turn)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (np.cos(axis) * (ys - centre[1]) - np.sin(axis) * (xs - centre[0])) / (size[1] / 2)
    roof = 0.62 * np.sqrt(np.clip(1 - 0.8 * across**2, 0.05, 1))
    cover += (roof * mask)[..., None] * np.array([0.95, 0.75, 0.6], np.float32)
    corner = (int(field.right - 38 * unit), int(field.top + 38 * unit))
    dish = np.zeros_like(mask)
    cv2.circle(dish, corner, int(34 * unit), 1.0, -1, cv2.LINE_AA)
    bars = 0.5 + 0.25 * np.sign(np.sin(xs / (3.0 * unit)))
    cover = cover * (1 - dish[..., None]) + (dish * bars)[..., None]
    return cover, np.maximum(mask, dish)
