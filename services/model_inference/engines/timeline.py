"""Which boxes to show on which frame, and the paths that led there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from services.model_inference.engines.chunks import FrameRows, Row

Point = tuple[float, float]


class Timeline:
    """Boxes for successive frames, from rows that may be missing for skipped ones.

    On a skipped frame a tracked box stands between its neighbours in time, in a straight line; one
    that only the earlier frame knows stays where it was.
    """

    def __init__(self, analysed: Iterable[FrameRows]) -> None:
        self._coming = iter(analysed)
        self._before: FrameRows | None = None
        self._behind = next(self._coming, None)

    def at(self, number: int) -> list[Row]:
        """The boxes of frame `number`; ask in rising order."""
        while self._behind is not None and self._behind.number <= number:
            self._before, self._behind = self._behind, next(self._coming, None)
        if self._before is None:
            return []
        if self._before.number == number or self._behind is None:
            return self._before.rows
        share = (number - self._before.number) / (self._behind.number - self._before.number)
        later = {row.track_id: row for row in self._behind.rows if row.track_id}
        return [
            _between(row, later[row.track_id], share) if row.track_id in later else row
            for row in self._before.rows
        ]


class Trails:
    """The last centres of each track, for `frames` frames."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._points: dict[int, deque[tuple[int, Point]]] = {}

    def follow(self, number: int, rows: list[Row]) -> dict[int, list[Point]]:
        """Add the boxes of frame `number`; the trail of each track that has one, oldest first."""
        for row in rows:
            if row.track_id:
                points = self._points.setdefault(row.track_id, deque())
                points.append((number, (row.x + row.w / 2, row.y + row.h / 2)))
        for track_id, points in list(self._points.items()):
            while points and points[0][0] <= number - self._frames:
                points.popleft()
            if not points:
                del self._points[track_id]
        return {
            track_id: [point for _, point in points]
            for track_id, points in self._points.items()
            if len(points) > 1
        }


def _between(row: Row, later: Row, share: float) -> Row:
    return row._replace(
        x=row.x + (later.x - row.x) * share,
        y=row.y + (later.y - row.y) * share,
        w=row.w + (later.w - row.w) * share,
        h=row.h + (later.h - row.h) * share,
    )
