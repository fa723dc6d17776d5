"""What the facts of a probe mean: may it be processed, may it be taken over, what is to be said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.video_processor.engines.packets import Packets
from services.video_processor.engines.port import Probe, VideoLimits
from shared.errors import MediaRejected


def ensure_readable(readable: int, expected: int, path: Path, limits: VideoLimits) -> None:
    """Raise `MediaRejected` when too few of the expected frames are there."""
    if readable < limits.min_readable * expected:
        raise MediaRejected(
            f"{path.name} is damaged or cut off: {readable} of {expected} frames can be read, and "
            f"{limits.min_readable:.0%} are needed. Send the file again, or send the good part as its own file."
        )


def obstacle(facts: dict[str, Any], packets: Packets) -> str | None:
    """Why the file cannot be taken over as it is; None if it can."""
    rules = (
        (facts["codec"] != "h264", f"its codec is {facts['codec']}, not H.264"),
        (
            facts["pixel_format"] != "yuv420p",
            f"its pixels are {facts['pixel_format']}, not yuv420p",
        ),
        (facts["rotation"] or facts["mirrored"], "it is stored turned or mirrored"),
        (facts["interlaced"], "it is interlaced"),
        (
            facts["coded_width"] % 2 or facts["coded_height"] % 2,
            "a side has an odd number of pixels",
        ),
        (facts["variable_frame_rate"], "its frame rate varies"),
        (packets.unstamped, "its frames carry no times"),
        (packets.discarded, "an edit list hides some of its frames"),
        (not packets.starts_with_keyframe, "it does not begin with a keyframe"),
        (facts["truncated"], "its end is missing or damaged"),
    )
    return next((reason for applies, reason in rules if applies), None)


def notes(facts: dict[str, Any]) -> tuple[str, ...]:
    """What the user should know although the work goes on."""
    said = []
    if facts["truncated"]:
        said.append(
            f"The file is cut off or damaged: {facts['frames']} of {facts['frames_announced'] or 'an unknown number of'} "
            "frames are there. The work goes on with those."
        )
    if facts["variable_frame_rate"]:
        said.append(
            f"The frame rate varies; it is made constant at {facts['rate']} frames a second, by repeating or "
            "leaving out frames, so that times stay right."
        )
    if facts["frames"] < 10:
        said.append(f"The video has only {facts['frames']} frames.")
    return tuple(said)


def within(found: Probe, path: Path, limits: VideoLimits) -> None:
    """Raise `MediaRejected` for what is over the limits."""
    if found.coded_width * found.coded_height > limits.max_pixels:
        raise MediaRejected(
            f"{path.name} has {found.width}x{found.height} pixels; the limit is {limits.max_pixels:,} pixels a frame. "
            "Scale it down."
        )
    if min(found.width, found.height) < limits.min_side:
        raise MediaRejected(
            f"{path.name} has {found.width}x{found.height} pixels; each side needs at least {limits.min_side}."
        )
    rate = float(found.constant_rate)
    if rate > limits.max_fps:
        raise MediaRejected(
            f"{path.name} claims {rate:.6g} frames a second; the limit is {limits.max_fps:g}."
        )
    if found.duration_s * rate > limits.max_frames:
        raise MediaRejected(
            f"{path.name} lasts {found.duration_s:,.0f} s, which is {found.duration_s * rate:,.0f} frames; the limit "
            f"is {limits.max_frames:,}. Split it, or check its timestamps."
        )
    ensure_readable(found.frames, found.frames_announced or found.frames, path, limits)
