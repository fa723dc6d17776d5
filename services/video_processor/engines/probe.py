"""What a video file really holds, found by reading and decoding it, not by its name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from services.video_processor.engines.cadence import Cadence, cadence
from services.video_processor.engines.opening import atoms, opened_video
from services.video_processor.engines.orientation import orientation
from services.video_processor.engines.packets import Packets, decoded, walk
from services.video_processor.engines.port import Probe, VideoLimits
from services.video_processor.engines.verdict import ensure_readable, notes, obstacle, within
from shared.errors import MediaRejected
from shared.progress.report import Report, silent

TYPES = {"matroska": "mkv", "mov": "mp4", "mpegts": "ts", "asf": "wmv", "mpeg": "mpg"}
FIRST_FRAMES = 8  # decoded of a file that the transcoder will decode whole anyway
# These know no duration; ffmpeg guesses one from what is there.
UNTIMED = ("mpegts", "mpeg", "h264", "hevc", "mjpeg")
PROGRESSIVE = (0, 1)  # AV_FIELD_UNKNOWN, AV_FIELD_PROGRESSIVE


def probe(path: Path) -> Probe:
    """Describe `path`: one pass over its packets, one decoded frame.

    Raises `MediaRejected` for what holds no decodable picture.
    """
    with opened_video(path) as (container, stream):
        packets = walk(container, stream)
    if not packets.frames:
        raise MediaRejected(f"{path.name} announces a video but holds no frame. Send it again.")
    with opened_video(path) as (container, stream):
        first = next(decoded(container, stream), None)
        if first is None:
            raise MediaRejected(
                f"None of the {packets.frames} frames of {path.name} can be decoded ({stream.codec_context.name}). "
                "The file is damaged or encrypted; send it again."
            )
        return _describe(path, container, stream, packets, first)


def validate(path: Path, limits: VideoLimits, report: Report = silent) -> Probe:
    """The probe of a video that may be processed; else `MediaRejected` says why it may not.

    A file that will be taken over as it is gets decoded here, whole and once, because nobody does
    it later. A file that will be transcoded has only its first frames decoded: the transcoder meets
    every frame and judges by the same `limits.min_readable`.
    """
    found = probe(path)
    within(found, path, limits)
    decoded_frames = damaged = 0
    with opened_video(path) as (container, stream):
        for frame in decoded(container, stream):
            decoded_frames += 1
            damaged += frame.is_corrupt
            report(min(decoded_frames / found.frames, 1.0), "decoding", frames=decoded_frames)
            if not found.copyable and decoded_frames >= FIRST_FRAMES:
                break
    if not found.copyable:
        return found
    lost = found.frames - decoded_frames
    ensure_readable(decoded_frames - damaged, found.frames_announced or found.frames, path, limits)
    if lost or damaged:
        why = f"It is transcoded, because {max(lost, 0) + damaged} of its frames are damaged."
        found = found.model_copy(update={"copyable": False, "why": why})
    return found.model_copy(update={"frames_decoded": decoded_frames, "frames_damaged": damaged})


def _describe(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    first: VideoFrame,
) -> Probe:
    codec, turn, size = stream.codec_context, orientation(first), path.stat().st_size
    announced_rate = stream.base_rate or stream.guessed_rate
    rhythm = _rhythm(packets, stream, announced_rate)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width, height = first.width, first.height
    if turn.swaps_sides:
        width, height = height, width
    promised = _promised(container, stream, packets, rhythm)
    truncated = promised is not None and promised > packets.frames
    layout = atoms(path) if container.format.name.startswith("mov") else []
    facts = {
        "container": container.format.name,
        "video_type": _type(container),
        "codec": codec.name,
        "profile": codec.profile,
        "pixel_format": first.format.name,
        "width": width,
        "height": height,
        "coded_width": first.width,
        "coded_height": first.height,
        "sample_aspect_ratio": float(aspect),
        "rotation": turn.clockwise,
        "mirrored": turn.mirrored,
        "interlaced": first.interlaced_frame or codec.field_order not in PROGRESSIVE,
        "fps": float(rhythm.average),
        "r_frame_rate": float(announced_rate) if announced_rate else None,
        "rate": str(rhythm.rate),
        "variable_frame_rate": rhythm.variable,
        "frames": packets.frames,
        "frames_announced": promised,
        "truncated": truncated or packets.broken,
        "keyframes": packets.keyframes,
        "duration_s": rhythm.duration_s,
        "start_s": rhythm.start_s,
        "bit_rate": round(8 * size / rhythm.duration_s) if rhythm.duration_s > 0 else None,
        "bytes": size,
        "mb": round(size / 1e6, 3),
        "has_audio": bool(container.streams.audio),
        "audio_codec": _audio(container),
        "faststart": layout.index("moov") < layout.index("mdat")
        if {"moov", "mdat"} <= set(layout)
        else False,
    }
    reason = obstacle(facts, packets)
    return Probe.model_validate(
        facts
        | {
            "copyable": reason is None,
            "why": f"It is transcoded, because {reason}."
            if reason
            else "It already is constant-rate H.264 (yuv420p, upright, even sides) and is taken over as it is.",
            "notes": notes(facts),
        }
    )


def _rhythm(packets: Packets, stream: VideoStream, announced: Fraction | None) -> Cadence:
    if not packets.unstamped:
        return cadence(
            packets.times, stream.time_base or Fraction(1), announced, packets.last_ticks
        )
    # avi and raw streams number their frames and know no times.
    rate = stream.average_rate or announced or Fraction(25)
    return Cadence(
        frames=packets.frames,
        variable=False,
        rate=rate,
        average=rate,
        start_s=0.0,
        duration_s=float(packets.frames / rate),
    )


def _promised(
    container: InputContainer, stream: VideoStream, packets: Packets, rhythm: Cadence
) -> int | None:
    """Frames that the header announces; None where it announces none.

    mp4 counts exactly. Others announce a duration, for their longest stream, which is compared with
    how far any stream reaches, and forgiven a second or three in a hundred.
    """
    seen = packets.frames
    if stream.frames:
        missing = stream.frames - packets.discarded - seen
        exact = container.format.name.startswith("mov")
        return seen + missing if missing > (0 if exact else 2 + stream.frames // 100) else seen
    if not container.duration or container.format.name in UNTIMED:
        return None
    length_s = container.duration / 1e6
    missing_s = length_s - packets.reach_s
    if missing_s > max(1.0, 0.03 * length_s):
        return seen + round(missing_s * float(rhythm.average))
    return seen


def _type(container: InputContainer) -> str:
    name = container.format.name.split(",")[0]
    if name == "mov" and container.metadata.get("major_brand", "").strip() == "qt":
        return "mov"
    return TYPES.get(name, name)


def _audio(container: InputContainer) -> str | None:
    for stream in container.streams.audio:
        return stream.codec_context.name if stream.codec_context else "unknown"
    return None
