"""How much two boxes overlap, whoever drew them."""

from __future__ import annotations

from typing import Protocol

SAME_IOU = 0.5
"""From this overlap on two boxes are about the same animal."""


class Shape(Protocol):
    """A box of a label or of a suggestion; centre and size as shares of the image, 0..1."""

    @property
    def class_id(self) -> int:
        """Position in the classes of the labeling."""
        ...

    @property
    def cx(self) -> float:
        """Centre, from the left."""
        ...

    @property
    def cy(self) -> float:
        """Centre, from the top."""
        ...

    @property
    def w(self) -> float:
        """Width."""
        ...

    @property
    def h(self) -> float:
        """Height."""
        ...


def intersection_over_union(one: Shape, other: Shape) -> float:
    """How much two boxes overlap, 0..1; 0 for boxes without area."""
    across = min(one.cx + one.w / 2, other.cx + other.w / 2) - max(
        one.cx - one.w / 2, other.cx - other.w / 2
    )
    down = min(one.cy + one.h / 2, other.cy + other.h / 2) - max(
        one.cy - one.h / 2, other.cy - other.h / 2
    )
    if across <= 0 or down <= 0:
        return 0.0
    shared = across * down
    return shared / (one.w * one.h + other.w * other.h - shared)
