"""Errors of the gateway."""

from __future__ import annotations

from shared.errors import BadInput, Conflict, Invalid, MediaRejected, TooLarge, Unavailable
from shared.messages import Sentence


class UploadTooLarge(TooLarge):
    """An upload is over the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(Sentence("error.upload_too_large", limit_mb=limit_bytes / 1024**2))


class NotMedia(MediaRejected):
    """An upload declares itself to be something that cannot be a video or a sound."""

    def __init__(self, found: str) -> None:
        super().__init__(Sentence("error.not_media", found=found))


class NoDirectUploads(Conflict):
    """Files are kept in a folder of the server, to which nobody can send directly."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.no_direct_uploads"))


class KeyReused(Invalid):
    """An Idempotency-Key came back with another request (422, as the IETF draft has it)."""

    def __init__(self, key: str) -> None:
        super().__init__(Sentence("error.key_reused", key=key))


class NotSubmittable(BadInput):
    """A pipeline of one step was submitted as a task."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(Sentence("error.not_submittable", name=name, known=", ".join(known)))


class BadCursor(Invalid):
    """A page was asked for by something that no page gave."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.bad_cursor"))


class Degraded(Unavailable):
    """A server that the mesh needs does not answer; the problem's member `health` has the rest."""

    def __init__(self, dependencies: dict[str, str]) -> None:
        away = [f"{name}: {said}" for name, said in dependencies.items() if said != "ok"]
        super().__init__("; ".join(away))


class NotReady(Unavailable):
    """The same for those without a key."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.not_ready"), retry_after_s=1)
