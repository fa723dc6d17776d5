"""How a player turns the stored picture before it shows it."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Orientation:
    """A quarter turn and a flip, as filters of libavfilter."""

    clockwise: int  # degrees: 0, 90, 180, 270
    mirrored: bool
    filters: tuple[tuple[str, str], ...]  # (filter, arguments), in order

    @property
    def swaps_sides(self) -> bool:
        """True if width and height change places."""
        return self.clockwise in (90, 270)


UPRIGHT = Orientation(0, mirrored=False, filters=())


def orientation(frame: VideoFrame) -> Orientation:
    """What the display matrix of `frame` asks for; turns that are no quarter turns are ignored.

    The matrix is 3x3, row by row, 16.16 fixed point (ISO 14496-12, 6.2.2); the cases are those of
    ffmpeg's own automatic rotation.
    """
    stored = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(stored, SideData):
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(stored)[:36])
    if not (a or b):
        return UPRIGHT
    turn = round(math.degrees(math.atan2(b, a))) % 360
    mirrored = a * d - b * c < 0
    if turn == 90:
        return Orientation(90, mirrored, (("transpose", "cclock_flip" if c > 0 else "clock"),))
    if turn == 270:
        return Orientation(270, mirrored, (("transpose", "clock_flip" if c < 0 else "cclock"),))
    flips = ([("hflip", "")] if a < 0 else []) + ([("vflip", "")] if d < 0 else [])
    if turn in (0, 180):
        return Orientation(turn, mirrored, tuple(flips))
    return UPRIGHT
