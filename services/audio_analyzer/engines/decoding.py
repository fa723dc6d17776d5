"""A sound file of a stranger, whatever it is called, as samples that the scorer can use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray

from services.audio_analyzer.errors import (
    EmptyAudio,
    NoAudio,
    TooLongAudio,
    UnreadableAudio,
    VideoInsteadOfAudio,
)
from shared.errors import NotFound

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

RATE = 16_000
"""Samples a second of everything that is compared: what the acoustic model was trained with."""
LONGEST_S = 120.0
# Containers that hold their own data; playlists would make the demuxer open other files and
# addresses. Those of videos are there so that a video can be named as one.
CONTAINERS = (
    "wav,w64,rf64,mp3,flac,aac,aiff,amr,caf,au,ape,wv,ac3,"
    "mov,matroska,webm,ogg,asf,avi,mpegts,mpeg,flv"
)
OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
GARBLED = 0.5
"""Share of packets that may not be decodable before the whole file counts as unreadable."""


def decoded(path: Path, longest_s: float = LONGEST_S) -> NDArray[np.float32]:
    """The sound of `path`: mono samples, (n,), -1..1, at `RATE`.

    What it is gets decided by decoding, never by its name. A file that announces that it is longer
    than `longest_s` is refused before anything is decoded; one that lies, as soon as it is.
    Raises `NotFound`, `EmptyAudio`, `UnreadableAudio`, `NoAudio`, `VideoInsteadOfAudio`,
    `TooLongAudio`.
    """
    if not path.is_file():
        raise NotFound(f"There is no recording {path.name}.")
    if path.stat().st_size == 0:
        raise EmptyAudio(path.name)
    try:
        # "file:" keeps a name that looks like a protocol from being taken for one.
        with av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace") as container:
            stream = sound_of(container, path, longest_s)
            samples = _joined(container, stream, longest_s, path)
    except (FFmpegError, ValueError) as error:  # ValueError: PyAV's word for an impossible layout
        raise UnreadableAudio(path.name) from error
    if not samples.size:
        raise EmptyAudio(path.name)
    return np.clip(np.nan_to_num(samples), -1.0, 1.0)


def sound_of(container: InputContainer, path: Path, longest_s: float) -> AudioStream:
    """The stream that is listened to; raises as `decoded` does, as far as headers tell."""
    if any(not s.disposition & Disposition.attached_pic for s in container.streams.video):
        raise VideoInsteadOfAudio(path.name)
    if not container.streams.audio:
        raise NoAudio(path.name)
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise UnreadableAudio(path.name)
    announced_s = container.duration / av.time_base if container.duration else 0.0
    if announced_s > longest_s + 1.0:  # headers round, and mp3 ones guess
        raise TooLongAudio(longest_s)
    return stream


def _joined(
    container: InputContainer, stream: AudioStream, longest_s: float, path: Path
) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = []
    length, longest = 0, round(longest_s * RATE)
    for part in _resampled(container, stream, path):
        length += part.size
        if length > longest:
            raise TooLongAudio(longest_s)
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _resampled(
    container: InputContainer, stream: AudioStream, path: Path
) -> Iterator[NDArray[np.float32]]:
    """Blocks of samples; packets that do not decode are left out, as players do."""
    resampler: AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    packets = garbled = 0
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except FFmpegError:
            garbled += 1
            continue
        for frame in frames:
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if now != shape:  # some streams change in the middle; a resampler cannot
                yield from _flushed(resampler)
                shape, resampler = now, AudioResampler("fltp", rate=RATE)
            assert resampler is not None
            for block in resampler.resample(frame):
                yield _mono(block)
    yield from _flushed(resampler)
    if garbled > GARBLED * packets:
        raise UnreadableAudio(path.name)


def _flushed(resampler: AudioResampler | None) -> Iterator[NDArray[np.float32]]:
    for block in resampler.resample(None) if resampler else ():
        yield _mono(block)


def _mono(block: AudioFrame) -> NDArray[np.float32]:
    """The mean of the channels; the resampler's own mixture is louder, and clips."""
    return block.to_ndarray().mean(axis=0, dtype=np.float32)
