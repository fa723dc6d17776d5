"""Frames of a video with their numbers and times, from the start or after a known frame."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from services.model_inference.engines.port import VideoInfo
from services.model_inference.errors import VideoMissing, VideoUnreadable

FINGERPRINT_BYTES = 1 << 20
DEFAULT_RATE = Fraction(30)  # frames/s, where a container states none


@dataclass(frozen=True)
class Position:
    """A frame that was decoded before."""

    number: int  # 0 is the first frame
    pts: int | None  # in the stream's time base; None: cannot be sought, only counted


@dataclass(frozen=True)
class Frame:
    """One decoded frame; `image` belongs to the decoder, copy before drawing on it."""

    number: int
    pts: int | None
    time_s: float  # since the first frame of the video
    image: av.VideoFrame


def probe(video: Path) -> VideoInfo:
    """What the container says; raises `VideoMissing` or `VideoUnreadable`."""
    with _opened(video) as (container, stream):
        rate = _rate(stream)
        duration = 0.0
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            duration = container.duration / av.time_base
        return VideoInfo(
            name=video.name,
            width=stream.width,
            height=stream.height,
            fps=float(rate),
            frames=stream.frames or round(duration * rate),
            duration_s=duration,
            codec=stream.codec_context.name,
            fingerprint=_fingerprint(video),
        )


def frames(video: Path, after: Position | None = None) -> Generator[Frame]:
    """The frames in display order, those behind `after` only.

    `after` is sought by its pts and must come out of the decoder again with exactly that pts; if
    it does not (an index that lies, no timestamps), all frames are counted from the start.
    Damaged packets are passed over. Time is pts minus the first pts, so variable rates are right.
    """
    if after is not None and after.pts is not None:
        behind = _sought(video, after, after.pts)
        if behind is not None:
            yield from behind
            return
    for frame in _counted(video):
        if after is None or frame.number > after.number:
            yield frame


def _counted(video: Path) -> Generator[Frame]:
    with _opened(video) as (container, stream):
        clock = _Clock(stream)
        for number, image in enumerate(_decoded(container, stream)):
            yield Frame(number, image.pts, clock.time_s(number, image.pts), image)


def _sought(video: Path, after: Position, pts: int) -> Iterator[Frame] | None:
    """The frames behind `after`, or None where seeking does not lead to it."""
    with closing(_counted(video)) as start:
        first = next(start, None)
    if first is None or first.pts is None:
        return None
    stream_behind = _behind(video, after.number, pts, first.pts)
    if next(stream_behind) is None:
        return None
    return stream_behind  # type: ignore[return-value]


def _behind(video: Path, number: int, pts: int, first_pts: int) -> Iterator[Frame | None]:
    """First a sign (frame `number` itself, None when it is not found), then what follows it."""
    with _opened(video) as (container, stream):
        clock = _Clock(stream, first_pts)
        try:
            container.seek(pts, stream=stream, backward=True, any_frame=False)
        except av.error.FFmpegError:
            yield None
            return
        found = False
        for image in _decoded(container, stream):
            if found:
                number += 1
            elif image.pts is None or image.pts > pts:
                break
            elif image.pts == pts:
                found = True
            else:
                continue
            yield Frame(number, image.pts, clock.time_s(number, image.pts), image)
        if not found:
            yield None


class _Clock:
    """Seconds since the first frame, by pts; by the average rate where there is none."""

    def __init__(self, stream: VideoStream, first_pts: int | None = None) -> None:
        self._base = stream.time_base or 1 / DEFAULT_RATE
        self._rate = _rate(stream)
        self._first = first_pts

    def time_s(self, number: int, pts: int | None) -> float:
        if pts is None:
            return float(number / self._rate)
        if self._first is None:
            self._first = pts
        return float((pts - self._first) * self._base)


def _rate(stream: VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or DEFAULT_RATE


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        try:
            images = packet.decode()
        except av.error.InvalidDataError:
            continue
        yield from images


class _opened:  # noqa: N801 - reads as a verb: with _opened(video)
    """The container and its video stream, decoding on all cores."""

    def __init__(self, video: Path) -> None:
        self._video = video
        self._container: InputContainer | None = None

    def __enter__(self) -> tuple[InputContainer, VideoStream]:
        if not self._video.is_file():
            raise VideoMissing(self._video)
        try:
            container = av.open(str(self._video), mode="r")
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoUnreadable(self._video, f"it cannot be opened ({error})") from error
        if not container.streams.video:
            container.close()
            raise VideoUnreadable(self._video, "it holds no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        self._container = container
        return container, stream

    def __exit__(self, *_: object) -> None:
        assert self._container is not None
        self._container.close()


def _fingerprint(video: Path) -> str:
    size = video.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with video.open("rb") as file:
        digest.update(file.read(FINGERPRINT_BYTES))
        if size > FINGERPRINT_BYTES:
            file.seek(max(FINGERPRINT_BYTES, size - FINGERPRINT_BYTES))
            digest.update(file.read(FINGERPRINT_BYTES))
    return digest.hexdigest()
