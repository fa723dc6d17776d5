"""overlaid_results.mp4: the video with what was found in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from services.model_inference.engines import video as source
from services.model_inference.engines.ahead import ahead
from services.model_inference.engines.chunks import AnalysisFolder
from services.model_inference.engines.painter import Painter
from services.model_inference.engines.port import VideoInfo
from services.model_inference.engines.replace import whole
from services.model_inference.engines.timeline import Timeline, Trails
from shared.progress.report import Report, silent

FRAMES_AHEAD = 8
REPORT_EVERY = 10  # frames
TRAIL_S = 1.0
PRESET, CRF = "superfast", "23"  # about 1 ms a frame of 640x480; for looking at, not for archives
KEYFRAME_S = 2.0  # so that a browser can seek


def render_overlay(work: Path, out: Path, video: Path, report: Report = silent) -> Path:
    """`overlaid_results.mp4` in `out`: H.264, yuv420p, index first, with the video's own timing.

    It shows every frame that the analysis covers; on skipped ones boxes move in straight lines.
    Decoding, drawing and encoding run side by side. Widths and heights are cut to even numbers,
    which the format wants.
    """
    folder = AnalysisFolder(work)
    head, summary = folder.head(), folder.finished()
    width, height = head.video.width & ~1, head.video.height & ~1
    painter = Painter(width, height, head.model.classes)
    final = out / "overlaid_results.mp4"
    with (
        whole(final) as part,
        ahead(_upto(video, summary.frames), FRAMES_AHEAD) as decoded,
        ahead(_drawn(decoded, folder, painter, (width, height)), FRAMES_AHEAD) as drawn,
        av.open(str(part), "w", options={"movflags": "+faststart"}) as container,
    ):
        stream: VideoStream | None = None
        for count, image in enumerate(drawn, start=1):
            stream = stream or _stream(container, image, head.video)
            container.mux(stream.encode(image))
            if count % REPORT_EVERY == 0:
                report(min(count / summary.frames, 1.0), f"frame {count}", frames=count)
        if stream is not None:
            container.mux(stream.encode(None))
    report(1.0, "overlay", frames=summary.frames)
    return final


def _upto(video: Path, frames: int) -> Iterator[source.Frame]:
    with closing(source.frames(video)) as decoded:
        for frame in decoded:
            yield frame
            if frame.number + 1 >= frames:
                return


def _drawn(
    decoded: Iterator[source.Frame],
    folder: AnalysisFolder,
    painter: Painter,
    size: tuple[int, int],
) -> Iterator[av.VideoFrame]:
    """The frames with their boxes, with rising pts from 0."""
    fps = folder.head().video.fps
    timeline, trails = Timeline(folder.frames()), Trails(max(2, round(TRAIL_S * fps)))
    first_pts: int | None = None
    last_pts = -1
    for frame in decoded:
        rows = timeline.at(frame.number)
        image = frame.image
        if image.format.name != "yuv420p" or (image.width, image.height) != size:
            time_base = image.time_base
            image = image.reformat(*size, format="yuv420p", dst_color_range=ColorRange.MPEG)
            image.time_base, image.color_range = time_base, ColorRange.MPEG
        image.make_writable()  # the decoder still predicts later frames from this one
        painter.paint(image, rows, trails.follow(frame.number, rows))
        if frame.pts is None:
            image.time_base = 1 / Fraction(fps).limit_denominator(100_000)
            image.pts = frame.number
        else:
            first_pts = frame.pts if first_pts is None else first_pts
            image.pts = frame.pts - first_pts
        last_pts = image.pts = max(image.pts, last_pts + 1)
        image.pict_type = PictureType.NONE  # or the encoder repeats the source's choice
        yield image


def _stream(container: OutputContainer, image: av.VideoFrame, info: VideoInfo) -> VideoStream:
    rate = Fraction(info.fps).limit_denominator(100_000)
    stream = container.add_stream(
        "libx264",
        rate=rate,
        options={"preset": PRESET, "crf": CRF, "threads": "auto"},
    )
    stream.width, stream.height = image.width, image.height
    stream.pix_fmt = "yuv420p"
    assert image.time_base is not None
    stream.time_base = stream.codec_context.time_base = image.time_base
    stream.codec_context.gop_size = max(1, round(info.fps * KEYFRAME_S))
    stream.codec_context.colorspace = image.colorspace
    stream.codec_context.color_range = image.color_range
    return stream
