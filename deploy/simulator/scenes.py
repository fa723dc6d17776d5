"""Rendered pictures with animals and their boxes, for the global one-class detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.simulator import backgrounds, creatures, rodents
from deploy.simulator.backgrounds import any_colour
from deploy.simulator.camera import photograph
from deploy.simulator.clutter import scatter
from deploy.simulator.compositing import extent, paste, window
from deploy.simulator.geometry import Figure
from deploy.simulator.sprites import Coat, Rgb, Sprite, draw

T = TypeVar("T")
Shape = Callable[[np.random.Generator], Figure]
Families = Literal["training", "held_out"]

TRAINING_SHAPES: tuple[tuple[Shape, float], ...] = (
    (rodents.rodent_from_above, 6), (rodents.huddled, 1), (rodents.rodent_from_the_side, 1.5),
    (creatures.fly, 3), (creatures.beetle, 1.5), (creatures.fish_from_above, 1.5),
    (creatures.fish_from_the_side, 1.2), (creatures.bird, 1.2), (creatures.bird_in_flight, 0.8),
    (creatures.quadruped, 2.5), (creatures.face, 0.8), (creatures.crawler, 1),
)  # fmt: skip
HELD_OUT_SHAPES: tuple[tuple[Shape, float], ...] = ((creatures.lizard, 1), (creatures.spider, 1))

SIZES = ((320, 240), (320, 320), (320, 256), (320, 180), (256, 320), (320, 288))  # width, height
MIN_VISIBLE = 0.35  # share of a body that must show, else the animal is not placed at all
MIN_SIDE_PX = 8
MIN_CONTRAST = 0.045  # mean difference from what lies behind, 0..1; less cannot be seen


@dataclass(frozen=True)
class Scene:
    """One picture and the boxes of its animals."""

    picture: NDArray[np.uint8]  # (h, w, 3) RGB
    xyxy: NDArray[np.float64]  # (n, 4) pixels, of the visible bodies


def random_coat(rng: np.random.Generator, floor: NDArray[np.float32]) -> Coat:
    """A coat that mostly stands out from the mean colour of the `floor`, and sometimes does not."""
    level = float(floor.mean())
    if rng.random() < 0.12:
        body = np.clip(floor * rng.uniform(0.7, 1.35) + rng.normal(0, 0.03, 3), 0.02, 0.98)
    else:
        body = any_colour(rng, 0.9 if rng.random() < 0.3 else 0.35)
        if abs(float(body.mean()) - level) < 0.18:
            body = body * 0.3 if level > 0.45 else 1 - (1 - body) * 0.35
    second = any_colour(rng) if rng.random() < 0.3 else body * rng.uniform(0.6, 1.5)
    skin = (
        body * rng.uniform(0.7, 1.1)
        if rng.random() < 0.5
        else 0.5 * body + 0.5 * np.array([0.8, 0.6, 0.55])
    )
    eye = np.full(3, rng.uniform(0, 0.2)) if rng.random() < 0.85 else rng.uniform(0.4, 1, 3)
    wing = 0.4 * floor + 0.6 * any_colour(rng, 0.1)
    colours = (
        tuple(float(c) for c in np.clip(one, 0, 1)) for one in (body, second, skin, eye, wing)
    )
    pattern = rng.choice(["plain", "patches", "stripes", "spots"], p=[0.68, 0.14, 0.1, 0.08])
    return Coat(*colours, pattern=str(pattern), fur=float(rng.uniform(0, 0.35)))  # type: ignore[arg-type]


def render_scene(rng: np.random.Generator, families: Families = "training") -> Scene:
    """A picture with no to twelve animals; with `held_out`, of shapes and floors never trained on."""
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    floors = backgrounds.TRAINING if families == "training" else backgrounds.HELD_OUT
    shapes = TRAINING_SHAPES if families == "training" else HELD_OUT_SHAPES
    picture = np.clip(_pick(rng, floors)(rng, height, width), 0, 1).astype(np.float32)
    picture = scatter(np.ascontiguousarray(picture), rng, int(rng.poisson(2.2)))
    floor = picture.mean(axis=(0, 1))
    owner = np.zeros((height, width), np.int32)  # which animal each pixel shows, 0 for none
    areas: list[float] = []
    shape, coat = _pick(rng, shapes), random_coat(rng, floor)
    scale = float(np.exp(rng.uniform(np.log(0.05), np.log(0.62))))
    shadow = float(rng.choice([0, rng.uniform(0.1, 0.5)]))
    for _ in range(_how_many(rng, scale)):
        if rng.random() < 0.25:
            coat = random_coat(rng, floor)
        if rng.random() < 0.12:
            shape = _pick(rng, shapes)
        sprite = _some_sprite(rng, shape, coat, scale, (width, height))
        if _fits(sprite, owner, areas) and _stands_out(sprite, picture):
            picture = paste(picture, sprite, shadow=shadow)
            _claim(sprite, owner, areas)
    if rng.random() < 0.15:
        picture, owner = _something_in_front(picture, owner, areas, rng)
    boxes = [extent(owner == i + 1) for i in range(len(areas))]
    return Scene(photograph(picture, rng), np.array([b for b in boxes if b]).reshape(-1, 4))


def _pick(rng: np.random.Generator, choices: tuple[tuple[T, float], ...]) -> T:
    weights = np.array([weight for _, weight in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][0]


def _how_many(rng: np.random.Generator, scale: float) -> int:
    if rng.random() < 0.06:
        return 0
    most = int(np.clip(0.6 / scale**2, 1, 12))
    return int(np.clip(rng.geometric(0.4), 1, most))


def _some_sprite(
    rng: np.random.Generator, shape: Shape, coat: Coat, scale: float, size: tuple[int, int]
) -> Sprite:
    figure = shape(rng)
    angle = rng.uniform(0, 2 * np.pi) if figure.top_down else rng.normal(0, 0.15)
    low, high = figure.bounds()
    length = max(size) * scale * float(np.exp(rng.normal(0, 0.15)))
    length = min(length, 1.1 * min(size) / float((high - low).max()))
    length = max(length, 2.0 * MIN_SIDE_PX)
    margin = length * 0.3
    centre = tuple(float(rng.uniform(margin, side - margin)) for side in size)
    return draw(
        figure,
        coat,
        rng,
        centre=centre,
        length=length,
        angle=angle,
        mirrored=bool(rng.random() < 0.5),
    )


def _fits(sprite: Sprite, owner: NDArray[np.int32], areas: list[float]) -> bool:
    """Whether enough of this animal, and of every one that it hides, would stay visible."""
    y, x, v, u = window(sprite, *owner.shape)
    solid = sprite.body[v, u] > 0.5
    if (
        solid.sum() < MIN_VISIBLE * 1.6 * (sprite.body > 0.5).sum()
        or solid.sum() < MIN_SIDE_PX**2 / 3
    ):
        return False
    box = extent(solid)
    if box is None or max(box[2] - box[0], box[3] - box[1]) < MIN_SIDE_PX:
        return False
    under = owner[y, x]
    for i, area in enumerate(areas, start=1):
        left = (owner == i).sum() - (solid & (under == i)).sum()
        if left < MIN_VISIBLE * area:
            return False
    return True


def _stands_out(sprite: Sprite, picture: Rgb) -> bool:
    y, x, v, u = window(sprite, *picture.shape[:2])
    cover = sprite.alpha[v, u]
    behind = picture[y, x] * cover[..., None]
    difference = np.abs(sprite.colour[v, u] - behind).sum() / 3 / (cover.sum() + 1e-6)
    return bool(difference > MIN_CONTRAST)


def _claim(sprite: Sprite, owner: NDArray[np.int32], areas: list[float]) -> None:
    y, x, v, u = window(sprite, *owner.shape)
    owner[y, x][sprite.alpha[v, u] > 0.5] = 0
    owner[y, x][sprite.body[v, u] > 0.5] = len(areas) + 1
    areas.append(float((sprite.body > 0.5).sum()))


def _something_in_front(
    picture: Rgb, owner: NDArray[np.int32], areas: list[float], rng: np.random.Generator
) -> tuple[Rgb, NDArray[np.int32]]:
    """Bars, a post or leaves between camera and animals; left out when it would hide one."""
    mask = np.zeros(owner.shape, np.float32)
    height, width = owner.shape
    if rng.random() < 0.5:
        step, thick = int(rng.integers(18, 80)), int(rng.integers(1, 4))
        for x in range(int(rng.integers(0, step)), width, step):
            cv2.line(mask, (x, 0), (x + int(rng.normal(0, 4)), height), 1.0, thick, cv2.LINE_AA)
    else:
        centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
        size = (width * float(rng.uniform(0.03, 0.15)), height * float(rng.uniform(0.2, 1.2)))
        corners = cv2.boxPoints((centre, size, float(rng.uniform(0, 180))))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0, cv2.LINE_AA)
    hidden = np.where(mask > 0.5, 0, owner)
    for i, area in enumerate(areas, start=1):
        if (hidden == i).sum() < MIN_VISIBLE * area:
            return picture, owner
    cover = mask[..., None]
    return picture * (1 - cover) + any_colour(rng) * cover, hidden
