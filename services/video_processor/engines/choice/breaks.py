"""Where a track begins or ends in the middle of the picture: a detector lost or missed an animal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.video_processor.engines.choice.results import read, stride

EDGE = 0.02  # of the picture's side: animals come and go there
FORGOTTEN_S = 5.0  # a track unseen for so long has ended; memory holds living ones only
LONG_S = 1.0  # a break of a track of this length is worth a half


@dataclass
class _Track:
    first: int
    last: int
    began_inside: bool
    ends_inside: bool


def track_breaks(
    table: Path, total: int, fps: float, size: tuple[int, int]
) -> NDArray[np.float32] | None:
    """(total,) worth of the break at each frame, 0..1: longer tracks that break are worth more.

    The frame is the one just before a track begins, or just after it ends: there the animal is,
    and the model did not see it. None if no box has a track.
    """
    watch = _Watch(total, stride(table), fps)
    for frame in read(table):
        watch.begin_frame(frame.frame)
        for box, name in zip(frame.xyxy.tolist(), frame.tracks, strict=True):
            if name:
                watch.see(name, inside=_inside(box, size))
    watch.end()
    return watch.found if watch.tracks else None


class _Watch:
    """The tracks that live at a frame, and the breaks so far."""

    def __init__(self, total: int, step: int, fps: float) -> None:
        self.found = np.zeros(total, np.float32)
        self.tracks = 0
        self._step, self._fps = step, fps
        self._living: dict[str, _Track] = {}
        self._first, self._now = -1, -1

    def begin_frame(self, frame: int) -> None:
        """Go on to an analysed frame; tracks that were not seen for long have ended."""
        self._first = frame if self._first < 0 else self._first
        self._now = frame
        forgotten = frame - FORGOTTEN_S * self._fps
        for name in [name for name, track in self._living.items() if track.last < forgotten]:
            self._close(self._living.pop(name))

    def see(self, name: str, *, inside: bool) -> None:
        """A box of a track in this frame; `inside`: away from the edges of the picture."""
        track = self._living.get(name)
        if track is None:
            self.tracks += 1
            self._living[name] = _Track(self._now, self._now, inside, inside)
            return
        if self._now - track.last > self._step and track.ends_inside and inside:
            self._put(track.last + self._step, track)
        track.last, track.ends_inside = self._now, inside

    def end(self) -> None:
        """The video is over: what is still seen did not break."""
        for track in self._living.values():
            if track.last + self._step >= self._now:
                track.ends_inside = False
            self._close(track)

    def _close(self, track: _Track) -> None:
        if track.began_inside and track.first > self._first:
            self._put(track.first - self._step, track)
        if track.ends_inside:
            self._put(track.last + self._step, track)

    def _put(self, frame: int, track: _Track) -> None:
        length_s = (track.last - track.first + self._step) / self._fps
        if 0 <= frame < len(self.found):
            self.found[frame] = max(self.found[frame], length_s / (length_s + LONG_S))


def _inside(box: list[float], size: tuple[int, int]) -> bool:
    """Away from the edges of a picture of `size` (width, height) pixels."""
    left, top, right, bottom = box
    width, height = size
    return (
        left > EDGE * width
        and top > EDGE * height
        and right < (1 - EDGE) * width
        and bottom < (1 - EDGE) * height
    )
