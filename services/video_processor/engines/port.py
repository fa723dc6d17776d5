"""What the video engines take and give; no heavy library is needed to load this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from shared.progress.report import Report


@dataclass(frozen=True)
class SourceInfo:
    """A file that has arrived whole."""

    bytes: int
    sha256: str  # hex, of the whole file
    content_type: str | None  # as the server named it; the file's content decides, not this
    etag: str | None
    resumed_from: int  # bytes that an earlier call had already stored; 0 for a fresh start


class Source(Protocol):
    """Where videos come from."""

    def fetch(self, url: str, target: Path, *, max_bytes: int, report: Report) -> SourceInfo:
        """Bring `url` to `target`, streamed to disk in constant memory.

        The bytes grow in `<target>.part`; a call after a failure continues there when the source
        can prove that the file is still the same. `target` appears whole or not at all.
        Raises `NotFound`, `Forbidden`, `TooLarge`, `MediaRejected` (a web page), `OutOfSpace`, and
        `Retryable` for what may go better next time.
        """
        ...


@dataclass(frozen=True)
class SourceSettings:
    """What the sources need to know of this installation."""

    uploads_root: Path
    """Folder of received uploads; nothing outside it is readable as an upload."""
    net_allow: tuple[str, ...] = ()
    """Hosts, addresses, networks that may be fetched although they are not public."""
    stall_s: float = 30.0
    """Longest wait, in seconds, for the next byte."""
    connect_s: float = 10.0
    """Longest wait, in seconds, for a connection."""
    max_redirects: int = 5
    """Redirects followed before a link is called broken."""
    resumes: int = 8
    """Broken connections continued within one call, as long as each brought new bytes."""
    s3_buckets: tuple[str, ...] = ()
    """Buckets that users may name in s3:// URLs; "*" for all that the key can read. Empty: none,
    since the service's own key can also read what belongs to other users."""
    s3_endpoint: str | None = None
    """URL of an S3-compatible server; None for AWS."""
    s3_region: str | None = None
    s3_access_key: str | None = None
    """None: boto3's own chain (environment, profile, role)."""
    s3_secret_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class VideoLimits:
    """What a video may be; beyond this it is refused before work is spent on it."""

    max_pixels: int = 8192 * 4320
    """Width x height of one frame: memory of the decoder grows with it."""
    min_side: int = 16
    """Shortest width or height, in pixels, that the H.264 encoder and the detector can use."""
    max_frames: int = 20_000_000
    """Frames after resampling to a constant rate: forged timestamps could ask for any number."""
    max_fps: float = 1000.0
    """Highest constant rate, in frames a second."""
    min_readable: float = 0.9
    """Share (0..1) of the announced frames that must decode. A file cut off in its last tenth is
    most of an experiment and goes on with a note; below that it is more likely a broken upload,
    which its owner would rather send again than analyse in part."""


class Probe(BaseModel):
    """What a video file really holds; stored as probe.json."""

    model_config = ConfigDict(frozen=True)

    container: str = Field(description="ffmpeg's name of the container, e.g. mov,mp4,m4a")
    video_type: str = Field(description="Short name of the container: mp4, mkv, avi ...")
    codec: str
    profile: str | None
    pixel_format: str
    width: int = Field(
        description="Pixels as displayed: after rotation; not stretched, see sample_aspect_ratio"
    )
    height: int
    coded_width: int = Field(description="Pixels as stored")
    coded_height: int
    sample_aspect_ratio: float = Field(description="Width of a stored pixel over its height")
    rotation: int = Field(
        description="Clockwise turn, degrees, that a player applies: 0 90 180 270"
    )
    mirrored: bool
    interlaced: bool
    fps: float = Field(description="Average rate: frames by duration")
    r_frame_rate: float | None = Field(description="Rate that the container or codec announces")
    rate: str = Field(description="Constant rate chosen for normalised.mp4, e.g. 30000/1001")
    variable_frame_rate: bool
    frames: int = Field(description="Frames that can be read (demuxed, or decoded where it was)")
    frames_announced: int | None = Field(description="Frames that the header promises")
    frames_decoded: int | None = Field(default=None, description="None: not every frame was tried")
    frames_damaged: int = 0
    truncated: bool
    keyframes: int
    duration_s: float
    start_s: float
    bit_rate: int | None
    bytes: int
    mb: float = Field(description="10^6 bytes")
    has_audio: bool
    audio_codec: str | None
    faststart: bool = Field(description="mp4 whose index lies before its data: plays while loading")
    copyable: bool = Field(description="Already what normalised.mp4 must be; no re-encoding needed")
    why: str = Field(description="Why it is copied or not, as a sentence")
    notes: tuple[str, ...] = Field(default=(), description="Sentences for the user")

    @property
    def constant_rate(self) -> Fraction:
        """`rate` as a number."""
        return Fraction(self.rate)


@dataclass(frozen=True)
class EncodeSettings:
    """How H.264 is written."""

    preset: str = "veryfast"
    """x264's speed; veryfast is about 4x medium and a tenth larger."""
    crf: int = 18
    """x264's quality, 0..51; 18 looks like the source."""
    keyframe_s: float = 2.0
    """Longest time between keyframes, in seconds: frame extraction and players seek to them."""


@dataclass(frozen=True)
class Normalised:
    """normalised.mp4: constant-rate H.264 yuv420p, upright, even sides. Labels count its frames."""

    copied: bool
    why: str
    frames: int
    fps: float
    rate: str
    width: int
    height: int
    duration_s: float
    bytes: int
    frames_damaged: int  # source frames that did not decode and were bridged by their neighbours
