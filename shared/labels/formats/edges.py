"""Boxes as edges in pixels, so exact that reading them back gives the same six decimals."""

from __future__ import annotations

from shared.labels.boxes import Box


def edges(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, upper, right and lower edge in pixels, from the image's upper left corner."""
    return (
        _pixel((box.cx - box.w / 2) * width),
        _pixel((box.cy - box.h / 2) * height),
        _pixel((box.cx + box.w / 2) * width),
        _pixel((box.cy + box.h / 2) * height),
    )


def _pixel(value: float) -> float:
    return round(value, 9) + 0.0  # never -0.0
