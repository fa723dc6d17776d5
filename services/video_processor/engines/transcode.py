"""normalised.mp4: constant-rate H.264 yuv420p, upright, even sides.

Everything after this step counts frames of this file, so its frame n is shown at n / rate seconds,
exactly. Pixels that are not square stay as they are: boxes count stored pixels, as every labeling
and vision tool does. Sound is left behind where frames are written anew: no step needs it, and analysis results
would not carry it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from services.video_processor.engines.opening import opened_video
from services.video_processor.engines.packets import decoded
from services.video_processor.engines.picture import upright
from services.video_processor.engines.port import EncodeSettings, Normalised, Probe, VideoLimits
from services.video_processor.engines.remux import take_over
from services.video_processor.engines.verdict import ensure_readable
from shared.errors import MediaRejected, explained
from shared.progress.report import Report


@dataclass
class Tally:
    """What came in and what went out."""

    read: int = 0
    damaged: int = 0
    written: int = 0
    width: int = 0
    height: int = 0


def normalise(
    source: Path,
    target: Path,
    probe: Probe,
    report: Report,
    *,
    encode: EncodeSettings | None = None,
    limits: VideoLimits | None = None,
) -> Normalised:
    """Write `target` from `source`, copied where `probe` says that it already is what is wanted.

    `target` appears whole or not at all; a second call writes it again. Raises `MediaRejected` when
    too few frames decode, `OutOfSpace` when the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        if probe.copyable:
            take_over(source, part, probe, report)
            tally = Tally(probe.frames, 0, probe.frames, probe.width, probe.height)
        else:
            tally = _transcode(
                source, part, probe, report, encode or EncodeSettings(), limits or VideoLimits()
            )
        size = part.stat().st_size
        part.replace(target)
    except OSError as error:  # PyAV's errors are OSErrors too
        raise explained(error) from error
    finally:
        part.unlink(missing_ok=True)
    return Normalised(
        copied=probe.copyable,
        why=probe.why,
        frames=tally.written,
        fps=float(probe.constant_rate),
        rate=probe.rate,
        width=tally.width,
        height=tally.height,
        duration_s=float(tally.written / probe.constant_rate),
        bytes=size,
        frames_damaged=tally.damaged,
    )


def _transcode(
    source: Path,
    part: Path,
    probe: Probe,
    report: Report,
    encode: EncodeSettings,
    limits: VideoLimits,
) -> Tally:
    tally, rate = Tally(), probe.constant_rate
    with (
        opened_video(source) as (container, stream),
        av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        track: VideoStream | None = None
        frames = _counted(decoded(container, stream), tally, probe, report)
        for frame in constant_rate(upright(frames, probe), rate, most=limits.max_frames):
            if track is None:
                tally.width, tally.height = frame.width, frame.height
                track = _track(out, frame, rate, encode)
                track.codec_context.sample_aspect_ratio = _aspect(probe)
            frame.pts, frame.time_base = tally.written, 1 / rate
            frame.pict_type = 0  # the encoder chooses its own keyframes
            out.mux(track.encode(frame))
            tally.written += 1
        if track is None:
            raise MediaRejected(f"No frame of {source.name} can be decoded. Send the file again.")
        out.mux(track.encode(None))
        ensure_readable(
            tally.read - tally.damaged, probe.frames_announced or probe.frames, source, limits
        )
    return tally


def _track(
    out: av.container.OutputContainer, frame: VideoFrame, rate: Fraction, encode: EncodeSettings
) -> VideoStream:
    options = {"preset": encode.preset, "crf": str(encode.crf)}
    track = out.add_stream("libx264", rate=rate, options=options)
    track.width, track.height, track.pix_fmt = frame.width, frame.height, "yuv420p"
    context = track.codec_context
    context.time_base = 1 / rate
    context.gop_size = max(1, min(round(encode.keyframe_s * rate), 600))
    context.color_range = frame.color_range
    context.colorspace, context.color_primaries = frame.colorspace, frame.color_primaries
    context.color_trc = frame.color_trc
    context.thread_type = "AUTO"
    return track


def _counted(
    frames: Iterator[VideoFrame], tally: Tally, probe: Probe, report: Report
) -> Iterator[VideoFrame]:
    for frame in frames:
        tally.read += 1
        tally.damaged += frame.is_corrupt
        report(min(tally.read / probe.frames, 1.0), "transcoding", frames=tally.read)
        yield frame


def constant_rate(
    frames: Iterator[VideoFrame], rate: Fraction, *, most: int
) -> Iterator[VideoFrame]:
    """Each slot of 1/rate seconds shows the frame that is nearest in time, or the one before it.

    A gap repeats the last frame; of two frames in one slot the later one is shown. A frame without
    a time, or one whose clock was set back, follows its predecessor. Raises `MediaRejected` beyond `most` frames.
    """
    start: Fraction | None = None
    held: VideoFrame | None = None
    slot = 0
    for frame in frames:
        if held is None:
            held, start = frame, _time(frame)
            continue
        time = _time(frame)
        if start is None or time is None:
            due = slot + 1
        else:
            due = round((time - start) * rate)
            if due < slot - 1:  # the clock was set back, as in joined recordings: go on from here
                start, due = time - (slot + 1) / rate, slot + 1
            due = max(due, slot)
        if due >= most:
            raise MediaRejected(
                f"The timestamps ask for more than {most:,} frames. Check them, or split the video."
            )
        for _ in range(slot, due):
            yield held
        held, slot = frame, due
    if held is not None:
        yield held


def _aspect(probe: Probe) -> Fraction:
    aspect = Fraction(probe.sample_aspect_ratio).limit_denominator(10_000)
    return 1 / aspect if probe.rotation in (90, 270) else aspect


def _time(frame: VideoFrame) -> Fraction | None:
    if frame.pts is None or not frame.time_base:
        return None
    return frame.pts * frame.time_base
