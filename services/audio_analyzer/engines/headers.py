"""What the headers of a sound file say: is it sound, and not too long? Runs in a process of its own, see `glance`."""

from __future__ import annotations

from pathlib import Path

import av
from av.error import FFmpegError

from services.audio_analyzer.engines.decoding import LONGEST_S, OPTIONS, sound_of
from services.audio_analyzer.errors import EmptyAudio, UnreadableAudio

ENDINGS = {
    "aac": ".aac",
    "flac": ".flac",
    "matroska": ".webm",
    "mov": ".m4a",
    "mp3": ".mp3",
    "ogg": ".ogg",
    "wav": ".wav",
}
OTHER = ".bin"
HEADERS_ONLY = {"probesize": "8192", "analyzeduration": "0"}
"""By default ffmpeg reads megabytes to guess rates that nobody asks for here: 22 ms instead of 2."""


def ending_by_headers(path: Path, longest_s: float = LONGEST_S) -> str:
    """The ending under which the file should lie, by what it holds: `.wav`.

    Reads the headers, milliseconds. Raises `EmptyAudio`, `UnreadableAudio`, `NoAudio`,
    `VideoInsteadOfAudio`, and `TooLongAudio` where the file itself says so; what lies about its
    length is found out by decoding it.
    """
    if path.stat().st_size == 0:
        raise EmptyAudio(path.name)
    try:
        # "file:" keeps a name that looks like a protocol from being taken for one
        with av.open(
            f"file:{path}", options=OPTIONS | HEADERS_ONLY, metadata_errors="replace"
        ) as container:
            sound_of(container, path, longest_s)
            kind = container.format.name.partition(",")[0]
    except (FFmpegError, ValueError) as error:  # ValueError: PyAV's word for an impossible layout
        raise UnreadableAudio(path.name) from error
    return ENDINGS.get(kind, OTHER)
