"""What a lamp, a lens, a sensor and a codec do to a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.simulator.sprites import Plane, Rgb


def lamp(rng: np.random.Generator, height: int, width: int, strength: float) -> Plane:
    """A gain per pixel about one: brighter near a lamp, darker into the corners."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = rng.uniform(-0.2, 1.2) * width, rng.uniform(-0.2, 1.2) * height
    distance = np.hypot(xs - x, ys - y) / np.hypot(width, height)
    corner = np.hypot(xs / width - 0.5, ys / height - 0.5)
    gain = 1 + strength * (0.45 - distance) - strength * rng.uniform(0, 1.2) * corner**2
    return np.clip(gain, 0.15, 1.8).astype(np.float32)


def photograph(picture: Rgb, rng: np.random.Generator) -> NDArray[np.uint8]:
    """`picture` as some camera would store it: uint8 RGB, with lamp, blur, noise and JPEG blocks."""
    height, width = picture.shape[:2]
    picture = picture * lamp(rng, height, width, float(rng.uniform(0, 1.1)))[..., None]
    if rng.random() < 0.35:  # an exposure that uses the sensor's range
        picture = picture * float(rng.uniform(0.65, 1.08) / (np.percentile(picture, 90) + 0.05))
    if rng.random() < 0.4:
        picture = np.repeat((picture @ _grey_weights(rng))[..., None], 3, axis=2)
    picture = np.clip(picture, 0, 1) ** float(np.exp(rng.normal(0, 0.25)))
    picture = (picture - 0.5) * float(rng.uniform(0.65, 1.2)) + 0.5 + float(rng.normal(0, 0.05))
    chance = rng.random()
    if chance < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.3)))
    elif chance < 0.4:
        picture = cv2.filter2D(picture, -1, _streak(rng))
    elif chance < 0.6:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
        picture = picture + float(rng.uniform(0.2, 1.0)) * (picture - soft)
    grain = float(rng.uniform(0, 0.04)) if rng.random() < 0.7 else 0.0
    colour_noise = rng.random() < 0.4
    shape = picture.shape if colour_noise else (*picture.shape[:2], 1)
    picture = picture + grain * rng.standard_normal(shape, dtype=np.float32)
    return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def _grey_weights(rng: np.random.Generator) -> NDArray[np.float32]:
    """How strongly a monochrome or infrared sensor sees red, green and blue."""
    weights = rng.uniform(0.1, 1.0, 3).astype(np.float32)
    return weights / weights.sum()


def _streak(rng: np.random.Generator) -> Plane:
    """A motion blur kernel of 3..7 pixels in any direction."""
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size), np.float32)
    turn, reach = rng.uniform(0, np.pi), size / 2
    step = (round(float(reach * np.cos(turn))), round(float(reach * np.sin(turn))))
    middle = size // 2
    cv2.line(
        kernel, (middle - step[0], middle - step[1]), (middle + step[0], middle + step[1]), 1.0
    )
    return kernel / kernel.sum()
