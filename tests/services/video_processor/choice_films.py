"""Small real videos of squares that move on a floor, and the tables that models would write."""

from __future__ import annotations

import csv
from fractions import Fraction

import av
import numpy as np

COLUMNS = [
    "frame",
    "time_s",
    "track_id",
    "class",
    "confidence",
    "x",
    "y",
    "w",
    "h",
    "model",
    "version",
]
SIDE = 10  # pixels of a square
RATE = 25  # frames a second


def squares(path, places, *, size=(160, 96), rate=RATE, gop=25, noise=True, light=None):
    """A video in which frame i shows a bright square at each (x, y) of `places[i]`.

    `light` is what part of its light each frame has.
    """
    rng = np.random.default_rng(3)
    floor = rng.integers(60, 90, (size[1], size[0]), np.uint8)
    with av.open(str(path), "w") as out:
        track = out.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "crf": "12", "g": str(gop)}
        )
        track.width, track.height, track.pix_fmt = *size, "yuv420p"
        track.codec_context.time_base = 1 / Fraction(rate)
        for number, frame in enumerate(places):
            image = floor.copy()
            if noise:
                image += rng.integers(0, 4, image.shape, np.uint8)
            for x, y in frame:
                image[int(y) : int(y) + SIDE, int(x) : int(x) + SIDE] = 220
            if light is not None:
                image = (image * light[number]).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="yuv420p")
            picture.pts, picture.time_base = number, 1 / Fraction(rate)
            out.mux(track.encode(picture))
        out.mux(track.encode(None))
    return path


def table(path, rows, rate=RATE):
    """results.csv of rows (frame, track, confidence, x, y), as the analysis writes it."""
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for frame, track, confidence, x, y in rows:
            about = (frame, frame / rate, track, "mouse", confidence)
            out.writerow((*about, x, y, SIDE, SIDE, "task-1", 1))
    return path


def walk(frames, size=(160, 96)):
    """One square that goes round the picture, never twice in the same place."""
    angle = np.arange(frames) * 2 * np.pi / frames
    x = (size[0] - SIDE) / 2 * (1 + 0.8 * np.cos(angle))
    y = (size[1] - SIDE) / 2 * (1 + 0.8 * np.sin(angle))
    return [[(float(a), float(b))] for a, b in zip(x, y, strict=True)]
