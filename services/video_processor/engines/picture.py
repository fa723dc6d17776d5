"""One decoded frame, as it is shown: turned, even sides, 8-bit 4:2:0, video range."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from services.video_processor.engines.orientation import orientation
from services.video_processor.engines.port import Probe


def upright(frames: Iterator[VideoFrame], probe: Probe) -> Iterator[VideoFrame]:
    """Each of `frames` as it is shown, with its time; the filters are made for the first one.

    Odd sides lose their last row or column: pixel coordinates stay what they were.
    """
    graph: Graph | None = None
    size, pixels = (0, 0), ""
    for given in frames:
        frame = given
        if graph is None:
            size, pixels = (frame.width, frame.height), frame.format.name
            graph = _graph(frame, probe)
        elif (frame.width, frame.height) != size or frame.format.name != pixels:
            # Some cameras change size in the middle; labels need one.
            frame = frame.reformat(*size, format=pixels)
        graph.vpush(frame)
        yield from _ready(graph)
    if graph:
        graph.vpush(None)
        yield from _ready(graph)


def _ready(graph: Graph) -> Iterator[VideoFrame]:
    """What the filters can give now; deinterlacing waits for the next frame."""
    try:
        while True:
            yield graph.vpull()
    except (BlockingIOError, EOFError):
        return


def _graph(frame: VideoFrame, probe: Probe) -> Graph:
    steps: list[tuple[str, str]] = []
    if probe.interlaced:
        steps.append(("yadif", "mode=send_frame:deint=interlaced"))
    steps += orientation(frame).filters
    width, height = probe.width // 2 * 2, probe.height // 2 * 2
    if (width, height) != (probe.width, probe.height):
        steps.append(("crop", f"{width}:{height}:0:0:exact=1"))
    steps += [("scale", "out_range=tv"), ("format", "yuv420p")]
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=av.VideoFormat(frame.format.name),
        time_base=frame.time_base,
    )
    nodes = [graph.add(name, arguments) for name, arguments in steps]
    graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
    return graph
