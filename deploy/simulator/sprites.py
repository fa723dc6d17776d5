"""From an outline to pixels: coats, patterns, soft shading and an exact body mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.simulator.geometry import Figure, turned

Rgb = NDArray[np.float32]  # (h, w, 3) 0..1
Plane = NDArray[np.float32]  # (h, w) 0..1
_SUPERSAMPLING = 3
_FRACTION_BITS = 4  # of a pixel, for cv2's fixed-point outlines


@dataclass(frozen=True)
class Coat:
    """Colours by role, RGB 0..1, and the pattern that lies over the body."""

    body: tuple[float, float, float]
    second: tuple[float, float, float]
    skin: tuple[float, float, float]
    eye: tuple[float, float, float]
    wing: tuple[float, float, float]
    pattern: Literal["plain", "patches", "stripes", "spots"]
    fur: float  # contrast of the fine texture


@dataclass(frozen=True)
class Sprite:
    """One animal ready to be pasted with its left top corner at (x, y) of the picture."""

    colour: Rgb  # premultiplied by alpha
    alpha: Plane
    body: Plane  # like alpha, without what annotators leave out of the box
    x: int
    y: int


def draw(
    figure: Figure,
    coat: Coat,
    rng: np.random.Generator,
    *,
    centre: tuple[float, float],
    length: float,
    angle: float = 0.0,
    mirrored: bool = False,
) -> Sprite:
    """`figure` with body `length` pixels at `centre` (pixels), its head turned by `angle` radians."""
    flip = np.array([-1.0, 1.0]) if mirrored else np.array([1.0, 1.0])
    outlines = [turned(part.outline * flip, angle) * length + centre for part in figure.parts]
    every = np.concatenate(outlines)
    left, top = np.floor(every.min(axis=0)).astype(int) - 2
    right, bottom = np.ceil(every.max(axis=0)).astype(int) + 3
    width, height = int(right - left), int(bottom - top)
    ss = _SUPERSAMPLING
    colour = np.zeros((height * ss, width * ss, 3), np.uint8)
    alpha = np.zeros(colour.shape[:2], np.uint8)
    body = np.zeros_like(alpha)
    for part, outline in zip(figure.parts, outlines, strict=True):
        points = np.round((outline - (left, top)) * ss * 2**_FRACTION_BITS).astype(np.int32)[None]
        paint = tuple(float(np.clip(c * part.shade, 0, 1) * 255) for c in getattr(coat, part.role))
        if part.opacity >= 0.99:
            cv2.fillPoly(colour, points, paint, cv2.LINE_8, _FRACTION_BITS)
            cv2.fillPoly(alpha, points, 255, cv2.LINE_8, _FRACTION_BITS)
        else:
            _glaze(colour, alpha, points, paint, part.opacity)
        if part.in_box:
            cv2.fillPoly(body, points, 255, cv2.LINE_8, _FRACTION_BITS)
    size = (width, height)
    fine = cv2.resize(colour, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    trunk = cv2.resize(body, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # Two streams: the count of numbers that a pattern draws depends on the size of the patch, and
    # the lamp must not change with it from one frame of a video to the next.
    for_lamp, for_coat = rng.spawn(2)
    fine = _patterned(fine, cover, coat, for_coat, length)
    fine = _lit(fine, cover, for_lamp, length)
    return Sprite(np.clip(fine, 0, 1).astype(np.float32), cover, trunk, int(left), int(top))


def _glaze(
    colour: NDArray[np.uint8], alpha: NDArray[np.uint8], points: NDArray[np.int32],
    paint: tuple[float, ...], opacity: float,
) -> None:  # fmt: skip
    """Paint a translucent outline: colour stays premultiplied, cover grows by its opacity."""
    mask = np.zeros_like(alpha)
    cv2.fillPoly(mask, points, 255, cv2.LINE_8, _FRACTION_BITS)
    where = mask > 0
    colour[where] = (colour[where] * (1 - opacity) + np.array(paint) * opacity).astype(np.uint8)
    alpha[where] = (alpha[where] * (1 - opacity) + 255 * opacity).astype(np.uint8)


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, cell: float, stretch: float = 1.0
) -> Plane:
    """Noise in -1..1 whose features are about `cell` pixels, `stretch` times longer across."""
    rows, cols = max(2, round(height / cell) + 1), max(2, round(width / (cell * stretch)) + 1)
    coarse = rng.uniform(-1, 1, (rows, cols)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _patterned(fine: Rgb, cover: Plane, coat: Coat, rng: np.random.Generator, length: float) -> Rgb:
    height, width = cover.shape
    second = np.asarray(coat.second, np.float32)
    if coat.pattern != "plain":
        if coat.pattern == "patches":
            field = smooth_noise(rng, height, width, max(2.0, length * 0.3)) > 0.1
        elif coat.pattern == "spots":
            field = smooth_noise(rng, height, width, max(2.0, length * 0.08)) > 0.45
        else:
            field = smooth_noise(rng, height, width, max(2.0, length * 0.06), 6.0) > 0.2
        mix = cv2.GaussianBlur(field.astype(np.float32), (3, 3), 0)[..., None] * 0.85
        fine = fine * (1 - mix) + second * cover[..., None] * mix
    grain = smooth_noise(rng, height, width, max(1.0, length * 0.02), rng.uniform(1, 3))
    slow = smooth_noise(rng, height, width, max(2.0, length * 0.15))
    return fine * (1 + coat.fur * (0.6 * grain + 0.6 * slow))[..., None]


def _lit(fine: Rgb, cover: Plane, rng: np.random.Generator, length: float) -> Rgb:
    """Round the body: darker towards its rim, brighter on the side of a random lamp."""
    blurred = cv2.GaussianBlur(cover, (0, 0), max(0.8, length * 0.06))
    slope_x = cv2.Sobel(blurred, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(blurred, cv2.CV_32F, 0, 1, ksize=3)
    lamp = rng.uniform(0, 2 * np.pi)
    strength = rng.uniform(0, 0.25) * max(1.0, length * 0.06)
    light = 1 + strength * (np.cos(lamp) * slope_x + np.sin(lamp) * slope_y)
    rim = rng.uniform(0, 0.45)
    return fine * (light * (1 - rim + rim * np.clip(blurred * 1.15, 0, 1)))[..., None]
