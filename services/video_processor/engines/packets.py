"""One pass over the packets of a file, and one over its frames."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


@dataclass
class Packets:
    """What one pass over the packets tells; nothing is decoded for it."""

    times: array[int] = field(default_factory=lambda: array("q"))  # presentation, stream ticks
    unstamped: int = 0
    discarded: int = 0  # cut away by an edit list
    keyframes: int = 0
    starts_with_keyframe: bool = False
    last_ticks: int | None = None
    reach_s: float = 0.0  # end of the last packet of any stream
    broken: bool = False

    @property
    def frames(self) -> int:
        """Frames that a player would show."""
        return len(self.times) + self.unstamped


def walk(container: InputContainer, stream: VideoStream) -> Packets:
    """Read every packet of `container`; an unreadable rest ends the walk and is noted."""
    seen = Packets()
    times: list[int] = []
    try:
        for packet in container.demux():
            if packet.size:
                _count(packet, stream, seen, times)
    except FFmpegError:
        seen.broken = True
    seen.times = array("q", sorted(times))
    return seen


def _count(packet: Packet[Any], stream: VideoStream, seen: Packets, times: list[int]) -> None:
    stamp = packet.pts if packet.pts is not None else packet.dts
    if stamp is not None and packet.time_base:
        end = (stamp + (packet.duration or 0)) * packet.time_base
        seen.reach_s = max(seen.reach_s, float(end))
    if packet.stream_index != stream.index:
        return
    seen.broken |= packet.is_corrupt
    if packet.is_discard:
        seen.discarded += 1
        return
    if not seen.frames and not times:
        seen.starts_with_keyframe = packet.is_keyframe
    seen.keyframes += packet.is_keyframe
    if packet.pts is None:
        seen.unstamped += 1
    else:
        times.append(packet.pts)
        seen.last_ticks = packet.duration or None


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame that decodes, in the order of showing; what does not decode is passed over."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            for frame in packet.decode():
                if frame.pts is None:  # avi and raw streams: the order of sending is all there is
                    frame.pts = frame.dts
                yield frame
        except FFmpegError:
            if packet is None or packet.size == 0:  # the flush at the end: nothing follows
                return
