"""One decoded frame, as it is shown: turned, even sides, 8-bit 4:2:0, video range."""

from __future__ import annotations

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from services.video_processor.engines.orientation import orientation
from services.video_processor.engines.port import Probe


class Upright:
    """Callable frame -> frame; its filters are made for the first frame.

    Odd sides lose their last row or column: pixel coordinates stay what they were.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._graph: Graph | None = None
        self._size = (0, 0)
        self._format = ""

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """`frame` is not kept; its time stays."""
        if self._graph is None:
            self._build(frame)
        assert self._graph
        if (frame.width, frame.height) != self._size or frame.format.name != self._format:
            # Some cameras change size in the middle; labels need one.
            frame = frame.reformat(*self._size, format=self._format)
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _build(self, frame: VideoFrame) -> None:
        self._size, self._format = (frame.width, frame.height), frame.format.name
        steps: list[tuple[str, str]] = []
        if self._probe.interlaced:
            steps.append(("yadif", "mode=send_frame:deint=interlaced"))
        steps += orientation(frame).filters
        width, height = self._probe.width // 2 * 2, self._probe.height // 2 * 2
        if (width, height) != (self._probe.width, self._probe.height):
            steps.append(("crop", f"{width}:{height}:0:0:exact=1"))
        steps += [("scale", "out_range=tv"), ("format", "yuv420p")]
        graph = Graph()
        nodes = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=av.VideoFormat(frame.format.name),
                time_base=frame.time_base,
            )
        ]
        nodes += [graph.add(name, arguments) for name, arguments in steps]
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        self._graph = graph
