"""Endings under which sound is kept, and what each is called on the web."""

from __future__ import annotations

from pathlib import PurePath

MEDIA_TYPES = {
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "audio/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "audio/webm",
}
"""What a browser is told. Nothing that it would open as a page: the name is the sender's."""
UNKNOWN = "application/octet-stream"


def ending_of(filename: str) -> str:
    """The ending under which a file is kept: its own if it is one of sound, else `.bin`."""
    ending = PurePath(filename).suffix.lower()
    return ending if ending in MEDIA_TYPES else ".bin"
