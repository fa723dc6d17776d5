"""A file that was sent, how large it may be, and why it is refused; known to workers too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from shared.errors import MediaRejected, TooLarge
from shared.messages import Sentence


class UploadTooLarge(TooLarge):
    """An upload is over the limit."""

    sentence: ClassVar[str] = "error.upload_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(Sentence(self.sentence, limit_mb=limit_bytes / 1024**2))


class NotMedia(MediaRejected):
    """An upload declares itself to be something that cannot be a video or a sound."""

    def __init__(self, found: str) -> None:
        super().__init__(Sentence("error.not_media", found=found))


@dataclass
class Received:
    """A file that arrived whole."""

    id: str
    filename: str
    path: Path
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Limit:
    """How large a file may be, and what is said of a larger one."""

    bytes: int
    refusal: type[UploadTooLarge] = UploadTooLarge

    def check(self, size: int, spare: int = 0) -> None:
        """Raise the refusal for more than the limit and `spare` bytes."""
        if size > self.bytes + spare:
            raise self.refusal(self.bytes)
