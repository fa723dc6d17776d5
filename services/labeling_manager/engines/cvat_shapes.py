"""Boxes as CVAT draws them: rectangles by two corners in pixels, alone or along a track."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from services.labeling_manager.engines.port import Prediction
from services.labeling_manager.errors import CvatRefuses
from shared.labels.boxes import SMALLEST_SIDE, Box
from shared.labels.identities import identity_of

Json = dict[str, Any]
RECTANGLE = "rectangle"
DECIMALS = 6


def shape_of(prediction: Prediction, frame: int, size: tuple[int, int], label: int) -> Json:
    """A suggestion: `source` says that a model drew it, `score` how sure it was."""
    width, height = size
    half_w, half_h = prediction.w / 2, prediction.h / 2
    points = (
        (prediction.cx - half_w) * width,
        (prediction.cy - half_h) * height,
        (prediction.cx + half_w) * width,
        (prediction.cy + half_h) * height,
    )
    return {
        "type": RECTANGLE,
        "frame": frame,
        "label_id": label,
        "points": [round(point, 3) for point in points],
        "rotation": 0.0,
        "occluded": False,
        "outside": False,
        "z_order": 0,
        "group": 0,
        "source": "auto",
        "score": round(prediction.confidence, 4),
        "attributes": [],
    }


def drawn(annotations: Json, last_of_job: dict[int, int], where: str) -> Iterator[tuple[int, Json]]:
    """Every rectangle with its frame; tracks are followed as CVAT does between their key frames.

    `last_of_job` gives for each frame the last one of its job, where a track without an end ends.
    Raises `CvatRefuses` for shapes that are no rectangles: leaving them out would lose labels.
    """
    for shape in annotations.get("shapes", ()):
        _see_rectangle(shape, where)
        yield int(shape["frame"]), shape
    for track in annotations.get("tracks", ()):
        for frame, shape in _followed(track, last_of_job, where):
            yield frame, {**shape, "label_id": track["label_id"], "track_id": track.get("id")}


def _see_rectangle(shape: Json, where: str) -> None:
    if shape.get("type") != RECTANGLE or len(shape.get("points", ())) != len(("x", "y")) * 2:
        raise CvatRefuses(
            where,
            f"frame {shape.get('frame')}",
            f"a {shape.get('type')} is drawn there, and only rectangles are boxes. Draw it anew.",
        )


def _followed(track: Json, last_of_job: dict[int, int], where: str) -> Iterator[tuple[int, Json]]:
    keys = sorted(track.get("shapes", ()), key=lambda shape: int(shape["frame"]))
    for position, key in enumerate(keys):
        _see_rectangle(key, where)
        if key.get("outside"):
            continue
        start = int(key["frame"])
        after = keys[position + 1] if position + 1 < len(keys) else None
        end = int(after["frame"]) if after else last_of_job.get(start, start) + 1
        for frame in range(start, end):
            share = (
                0.0 if after is None or after.get("outside") else (frame - start) / (end - start)
            )
            points = [
                a + share * (b - a)
                for a, b in zip(key["points"], (after or key)["points"], strict=True)
            ]
            yield frame, {**key, "points": points}


def box_of(shape: Json, size: tuple[int, int], class_id: int) -> Box | None:
    """The upright box around a rectangle, cut at the image's edges; None when nothing is left.

    One of a track has the number of the track as its identity.
    """
    x0, y0, x1, y1 = _upright(shape["points"], float(shape.get("rotation") or 0.0))
    width, height = size
    left, right = max(x0 / width, 0.0), min(x1 / width, 1.0)
    top, bottom = max(y0 / height, 0.0), min(y1 / height, 1.0)
    if not min(right - left, bottom - top) >= 2 * SMALLEST_SIDE:  # rounding keeps it; NaN falls out
        return None
    numbers = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    rounded = (round(number, DECIMALS) for number in numbers)
    return Box(class_id, *rounded, identity=identity_of(shape.get("track_id")))


def _upright(points: Sequence[float], degrees: float) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(point) for point in points)
    if not degrees:
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    w, h = abs(x1 - x0), abs(y1 - y0)
    half_w, half_h = (w * cos + h * sin) / 2, (w * sin + h * cos) / 2
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    return cx - half_w, cy - half_h, cx + half_w, cy + half_h
