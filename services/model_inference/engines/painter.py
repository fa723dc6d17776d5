"""Boxes, labels and trails drawn straight into the planes of a yuv420p frame.

A frame comes out of the decoder and goes into the encoder as planes of brightness (Y) and, at half
the size, colour (U, V). Drawing there saves two conversions to RGB and back, which at full HD cost
more than everything else that the overlay does to a frame.
"""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from services.model_inference.engines.chunks import Row
from services.model_inference.engines.timeline import Point

FONT = cv2.FONT_HERSHEY_SIMPLEX
CAP_HEIGHT = 22.0  # pixels of a capital at font scale 1
LABEL_SHARE = 1 / 40  # capital height in proportion to the image's shorter side
SMALLEST_CAP = 8.0  # pixels; below this a label cannot be read
GOLDEN_RATIO = 0.618034  # successive hues far apart, however many there are
INK = 16  # black, in Y
BRIGHT = 0.6  # of white; the least brightness on which black letters read well
SUBPIXEL_BITS = 3

Colour = tuple[int, int, int]  # Y, U, V


class Painter:
    """Draws on frames of one size."""

    def __init__(self, width: int, height: int, classes: Sequence[str]) -> None:
        side = min(width, height)
        cap = max(SMALLEST_CAP, side * LABEL_SHARE)
        self._size = (width, height)
        self._scale = cap / CAP_HEIGHT
        self._pen = max(1, round(cap / 14))  # stroke of the letters, pixels
        self._line = max(2, round(side / 270))  # sides of the boxes, pixels
        self._margin = max(2, round(cap / 3))
        self._names = [drawable(name, index) for index, name in enumerate(classes)]

    def paint(
        self, image: av.VideoFrame, rows: Sequence[Row], trails: Mapping[int, Sequence[Point]]
    ) -> None:
        """Draw into `image`, a writable yuv420p frame."""
        planes = _planes(image)
        for track_id, points in trails.items():
            self._trail(planes, points, colour_of(track_id))
        for row in reversed(rows):  # the best on top
            colour = colour_of(row.track_id or row.class_id + 1)
            self._box(planes, row, colour)
        for row in reversed(rows):
            colour = colour_of(row.track_id or row.class_id + 1)
            self._label(planes, row, colour)

    def _trail(
        self, planes: list[NDArray[np.uint8]], points: Sequence[Point], colour: Colour
    ) -> None:
        path = np.array(points) * (1 << SUBPIXEL_BITS)
        for plane, value, shrink in zip(planes, colour, (1, 2, 2), strict=True):
            cv2.polylines(
                plane,
                [np.round(path / shrink).astype(np.int32)],
                isClosed=False,
                color=value,
                thickness=max(1, self._line // 2 // shrink),
                lineType=cv2.LINE_AA,
                shift=SUBPIXEL_BITS,
            )

    def _box(self, planes: list[NDArray[np.uint8]], row: Row, colour: Colour) -> None:
        corners = (row.x, row.y, row.x + row.w, row.y + row.h)
        for plane, value, shrink in zip(planes, colour, (1, 2, 2), strict=True):
            left, top, right, bottom = (round(corner / shrink) for corner in corners)
            thickness = max(1, round(self._line / shrink))
            cv2.rectangle(plane, (left, top), (right, bottom), value, thickness)

    def _label(self, planes: list[NDArray[np.uint8]], row: Row, colour: Colour) -> None:
        text = f"{self._names[row.class_id]} {row.confidence:.2f}"
        if row.track_id:
            text = f"{row.track_id} {text}"
        (text_width, text_height), _ = cv2.getTextSize(text, FONT, self._scale, self._pen)
        width, height = text_width + 2 * self._margin, text_height + 2 * self._margin
        image_width, image_height = self._size
        left = int(min(max(row.x, 0), max(image_width - width, 0)))
        top = int(row.y) - height
        if top < 0:  # no room above the box: below it, or at the edge
            below = int(row.y + row.h)
            top = below if below + height <= image_height else 0
        left, top = left & ~1, top & ~1  # on whole colour pixels
        for plane, value, shrink in zip(planes, colour, (1, 2, 2), strict=True):
            cv2.rectangle(
                plane,
                (left // shrink, top // shrink),
                ((left + width) // shrink, (top + height) // shrink),
                value,
                cv2.FILLED,
            )
        at = (left + self._margin, top + height - self._margin)
        cv2.putText(planes[0], text, at, FONT, self._scale, INK, self._pen, cv2.LINE_AA)


def drawable(name: str, class_id: int) -> str:
    """`name` in the letters that the drawing font has; accents go, other scripts become `class n`.

    The data files keep the name as it is.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    return plain if any(letter.isalnum() for letter in plain) else f"class {class_id}"


@lru_cache(maxsize=4096)
def colour_of(number: int) -> Colour:
    """A colour (BT.601, studio range) of its own for each track, bright enough for black ink."""
    red, green, blue = colorsys.hls_to_rgb(number * GOLDEN_RATIO % 1, 0.55, 1.0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    white = max(0.0, (BRIGHT - luma) / (1 - luma))
    red, green, blue = (part + white * (1 - part) for part in (red, green, blue))
    luma = max(luma, BRIGHT)
    return (
        round(16 + 219 * luma),
        round(128 + 224 * 0.564 * (blue - luma)),
        round(128 + 224 * 0.713 * (red - luma)),
    )


def _planes(image: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Views (not copies) of Y, U and V."""
    return [
        np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size].reshape(
            plane.height, plane.line_size
        )[:, : plane.width]
        for plane in image.planes
    ]
