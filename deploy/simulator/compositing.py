"""Where a sprite lies in a picture, and how it is laid over it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.simulator.sprites import Rgb, Sprite


def window(sprite: Sprite, height: int, width: int) -> tuple[slice, slice, slice, slice]:
    """Rows and columns of the picture that the sprite covers, then the same in the sprite."""
    rows, cols = sprite.alpha.shape
    top, left = max(0, sprite.y), max(0, sprite.x)
    bottom, right = max(top, min(height, sprite.y + rows)), max(left, min(width, sprite.x + cols))
    inside = (slice(top - sprite.y, bottom - sprite.y), slice(left - sprite.x, right - sprite.x))
    return slice(top, bottom), slice(left, right), *inside


def paste(picture: Rgb, sprite: Sprite, *, shadow: float = 0.0) -> Rgb:
    """`picture` with the sprite over it, and its contact shadow when `shadow` (0..1) is not zero."""
    height, width = picture.shape[:2]
    y, x, v, u = window(sprite, height, width)
    if shadow > 0:
        soft = max(1.0, 0.03 * max(sprite.alpha.shape))
        ground = np.zeros((height, width), np.float32)
        ground[y, x] = sprite.alpha[v, u]
        shift = np.array([[1, 0, soft], [0, 1, soft]], np.float32)
        ground = cv2.warpAffine(cv2.GaussianBlur(ground, (0, 0), soft), shift, (width, height))
        picture = picture * (1 - shadow * ground)[..., None]
    cover = sprite.alpha[v, u][..., None]
    picture[y, x] = picture[y, x] * (1 - cover) + sprite.colour[v, u]
    return picture


def extent(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """The tightest box about the true pixels (left, top, right, bottom), None for an empty mask."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return float(cols[0]), float(rows[0]), float(cols[-1] + 1), float(rows[-1] + 1)
