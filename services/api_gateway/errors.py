"""Errors of the gateway."""

from __future__ import annotations

from shared.errors import Conflict, MediaRejected, TooLarge


class UploadTooLarge(TooLarge):
    """An upload is over the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The file is larger than {limit_bytes / 1024**2:.0f} MB, the limit here. "
            "Send a shorter or smaller video, or have the operator raise "
            "ACTVERSE_GATEWAY__MAX_UPLOAD_BYTES."
        )


class NotMedia(MediaRejected):
    """An upload declares itself to be something that cannot be a video or a sound."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The upload is {found}; send one media file as multipart/form-data, field 'file'."
        )


class KeyReused(Conflict):
    """An Idempotency-Key came back with another request."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was used for a different request; use a new key for a new task."
        )
