"""What a file holds: its sha256, its size, its media type."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

CHUNK_BYTES = 1 << 20

# Ours first: what `mimetypes` answers depends on the files of the system.
CONTENT_TYPES = {
    ".avi": "video/x-msvideo",
    ".csv": "text/csv",
    ".flac": "audio/flac",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".onnx": "application/octet-stream",
    ".pbtxt": "text/plain",
    ".png": "image/png",
    ".pt": "application/octet-stream",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".yaml": "application/yaml",
}


def content_type(name: str) -> str:
    """The media type by the ending of the name."""
    ending = Path(name).suffix.lower()
    if ending in CONTENT_TYPES:
        return CONTENT_TYPES[ending]
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def digest(path: Path) -> tuple[str, int]:
    """(sha256 as hex, size in bytes) of a file, read as a stream."""
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha.update(chunk)
            size += len(chunk)
    return sha.hexdigest(), size
