"""Things that are no animals: droppings, bowls, toys, cables, clumps, glare, dirt, text, hands."""

from __future__ import annotations

import cv2
import numpy as np

from deploy.simulator.backgrounds import any_colour
from deploy.simulator.sprites import Rgb, smooth_noise


def scatter(picture: Rgb, rng: np.random.Generator, amount: int) -> Rgb:
    """`picture` with `amount` things of random kinds; none of them gets a box."""
    things = (
        _blob_cluster,
        _bowl,
        _box,
        _cable,
        _clump,
        _glare,
        _scratches,
        _writing,
        _rod,
        _smear,
    )
    for i in rng.choice(len(things), amount):
        picture = things[int(i)](picture, rng)
    return picture


def _place(picture: Rgb, rng: np.random.Generator) -> tuple[int, int, float]:
    height, width = picture.shape[:2]
    size = width * float(np.exp(rng.uniform(np.log(0.02), np.log(0.25))))
    return int(rng.uniform(0, width)), int(rng.uniform(0, height)), size


def _paint(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = (float(c) for c in any_colour(rng, 0.6))
    return red, green, blue


def _blend(picture: Rgb, mask: np.ndarray, colour: np.ndarray, opacity: float = 1.0) -> Rgb:
    cover = np.clip(mask, 0, 1)[..., None] * opacity
    return picture * (1 - cover) + colour * cover


def _blob_cluster(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """Droppings, seeds, pellets: small, of one colour, many."""
    height, width = picture.shape[:2]
    colour, size = _paint(rng), rng.uniform(0.7, 4.5)
    for _ in range(int(rng.integers(3, 40))):
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = (max(1, int(size * rng.uniform(1, 2.5))), max(1, int(size)))
        cv2.ellipse(picture, at, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def _bowl(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A dish, ball, lid or cup: concentric ellipses of one centre."""
    x, y, size = _place(picture, rng)
    squash = rng.uniform(0.6, 1.0)
    for part in (1.0, 0.8, 0.4)[: int(rng.integers(1, 4))]:
        axes = (max(1, int(size * part / 2)), max(1, int(size * squash * part / 2)))
        thick = -1 if rng.random() < 0.7 else max(1, int(size * 0.06))
        cv2.ellipse(picture, (x, y), axes, 0, 0, 360, _paint(rng), thick, cv2.LINE_AA)
    return picture


def _box(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A house, tunnel, brick or plate: a turned rectangle with an edge."""
    x, y, size = _place(picture, rng)
    corners = cv2.boxPoints(
        ((x, y), (size, size * rng.uniform(0.15, 1)), float(rng.uniform(0, 180)))
    )
    cv2.fillPoly(picture, [corners.astype(np.int32)], _paint(rng), cv2.LINE_AA)
    if rng.random() < 0.6:
        cv2.polylines(
            picture,
            [corners.astype(np.int32)],
            True,
            _paint(rng),
            1 + int(size * 0.02),
            cv2.LINE_AA,
        )
    return picture


def _cable(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A cable, thread or crack: a long thin wandering line."""
    height, width = picture.shape[:2]
    steps = np.cumsum(rng.normal(0, 1, (12, 2)), axis=0) * width * 0.06
    points = (steps + np.array([rng.uniform(0, width), rng.uniform(0, height)])).astype(np.int32)
    cv2.polylines(picture, [points], False, _paint(rng), int(rng.integers(1, 4)), cv2.LINE_AA)
    return picture


def _clump(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """Hay, cotton, mud or a stone: a ragged textured patch without limbs."""
    x, y, size = _place(picture, rng)
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(xs - x, (ys - y) * rng.uniform(0.8, 2.0)) / (size / 2)
    ragged = smooth_noise(rng, height, width, max(2.0, size * 0.12)) * 0.5
    mask = np.clip((1 - distance + ragged) * size * 0.1, 0, 1)
    grain = smooth_noise(rng, height, width, max(1.0, size * 0.04))
    return _blend(picture, mask, any_colour(rng, 0.6) * (1 + 0.35 * grain)[..., None])


def _glare(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A lamp's mirror image in glass or metal: a soft or hard bright spot."""
    x, y, size = _place(picture, rng)
    mask = np.zeros(picture.shape[:2], np.float32)
    axes = (max(1, int(size / 2)), max(1, int(size * rng.uniform(0.05, 0.5))))
    cv2.ellipse(
        mask,
        (x, y),
        axes,
        float(rng.choice([0, 90, rng.uniform(0, 180)])),
        0,
        360,
        1.0,
        -1,
        cv2.LINE_AA,
    )
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, size * rng.uniform(0.02, 0.3)))
    return _blend(picture, soft, np.ones(3, np.float32), rng.uniform(0.2, 1.0))


def _scratches(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """Scratches and hairs on glass."""
    height, width = picture.shape[:2]
    colour = _paint(rng)
    for _ in range(int(rng.integers(1, 12))):
        x, y, turn, long = (
            rng.uniform(0, width),
            rng.uniform(0, height),
            rng.uniform(0, 6.3),
            rng.uniform(3, 60),
        )
        end = (int(x + long * np.cos(turn)), int(y + long * np.sin(turn)))
        cv2.line(picture, (int(x), int(y)), end, colour, 1, cv2.LINE_AA)
    return picture


def _writing(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A time stamp or a label burnt into the picture."""
    x, y, _ = _place(picture, rng)
    text = "".join(rng.choice(list("0123456789:-ABCDEF "), int(rng.integers(3, 16))))
    cv2.putText(
        picture,
        text,
        (x, y),
        cv2.FONT_HERSHEY_SIMPLEX,
        float(rng.uniform(0.25, 0.8)),
        _paint(rng),
        1,
        cv2.LINE_AA,
    )
    return picture


def _rod(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A bar, spout, edge or pipe across part of the picture."""
    x, y, size = _place(picture, rng)
    turn = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]))
    long = size * rng.uniform(1, 6)
    end = (int(x + long * np.cos(turn)), int(y + long * np.sin(turn)))
    cv2.line(picture, (x, y), end, _paint(rng), int(rng.integers(2, 12)), cv2.LINE_AA)
    return picture


def _smear(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A wet or dirty spot and shadows of things out of sight: soft, without an outline."""
    x, y, size = _place(picture, rng)
    mask = np.zeros(picture.shape[:2], np.float32)
    axes = (max(1, int(size)), max(1, int(size * rng.uniform(0.2, 0.8))))
    cv2.ellipse(mask, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), max(1.5, size * rng.uniform(0.15, 0.5)))
    return picture * (1 - soft * rng.uniform(0.1, 0.6))[..., None]
