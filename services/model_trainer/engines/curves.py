"""results.png: a small chart for every column of results.csv.

Drawn with OpenCV, which a trainer has loaded anyway: matplotlib takes a second to draw the same, and
another one to be imported, which is a long time beside a short training.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.model_trainer.engines.epoch_table import read_epochs

COLUMNS = 5
WIDTH, HEIGHT = 300, 220  # pixels of one chart
LEFT, TOP, RIGHT, BOTTOM = 52, 34, 14, 28  # pixels around its field
UNPLOTTED = ("epoch", "time", "lr/")
INK, GREY, LINE = (40, 40, 40), (215, 215, 215), (176, 108, 31)  # blue, green, red
FONT = cv2.FONT_HERSHEY_SIMPLEX
SUBPIXEL_BITS = 4

Picture = NDArray[np.uint8]


def draw_curves(table: Path, picture: Path) -> None:
    """Draw `table`, an epoch a row, into the PNG file `picture`; gaps stay where a value is no number."""
    rows = read_epochs(table)
    names = [name for name in rows[0] if not name.startswith(UNPLOTTED)]
    epochs = [row["epoch"] for row in rows]
    charts = [_chart(name, epochs, [row[name] for row in rows]) for name in names]
    while len(charts) % COLUMNS:
        charts.append(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    lines = [np.hstack(charts[at : at + COLUMNS]) for at in range(0, len(charts), COLUMNS)]
    part = picture.with_name(f"part.{picture.name}")
    cv2.imwrite(str(part), np.vstack(lines))
    part.replace(picture)


def _chart(name: str, epochs: list[float], values: list[float]) -> Picture:
    chart: Picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    _write(chart, name, (LEFT, TOP - 14), 0.45)
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    for share in (0.0, 0.5, 1.0):
        y = round(bottom - share * (bottom - TOP))
        cv2.line(chart, (LEFT, y), (right, y), GREY, 1)
        _write(chart, f"{low + share * (high - low):.3g}", (4, y + 4), 0.35)
    _write(chart, f"{epochs[0]:.0f}", (LEFT - 3, HEIGHT - 10), 0.35)
    _write(chart, f"{epochs[-1]:.0f}", (right - 14, HEIGHT - 10), 0.35)
    span, rise = (epochs[-1] - epochs[0]) or 1.0, (high - low) or 1.0
    points = [
        (
            LEFT + (epoch - epochs[0]) / span * (right - LEFT),
            bottom - (value - low) / rise * (bottom - TOP),
        )
        for epoch, value in zip(epochs, values, strict=True)
        if math.isfinite(value)
    ]
    path = np.round(np.array(points).reshape(-1, 2) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(chart, [path], False, LINE, 2, cv2.LINE_AA, SUBPIXEL_BITS)
    for x, y in path:
        cv2.circle(
            chart, (int(x), int(y)), 2 << SUBPIXEL_BITS, LINE, -1, cv2.LINE_AA, SUBPIXEL_BITS
        )
    return chart


def _write(chart: Picture, text: str, at: tuple[int, int], scale: float) -> None:
    cv2.putText(chart, text, at, FONT, scale, INK, 1, cv2.LINE_AA)
