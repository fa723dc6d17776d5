"""Errors of the gateway."""

from __future__ import annotations

from shared.errors import BadInput, Conflict, Invalid, MediaRejected, TooLarge, Unavailable


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


class NoDirectUploads(Conflict):
    """Files are kept in a folder of the server, to which nobody can send directly."""

    def __init__(self) -> None:
        super().__init__(
            "The files of this installation lie in a folder, which takes no direct uploads. "
            "Send the file to POST /uploads/ (multipart/form-data, field 'file')."
        )


class KeyReused(Invalid):
    """An Idempotency-Key came back with another request (422, as the IETF draft has it)."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Idempotency-Key {key!r} was used for a different request; use a new key for a new task."
        )


class NotSubmittable(BadInput):
    """A pipeline of one step was submitted as a task."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"Pipeline {name!r} is a single step with an endpoint of its own, see /docs. "
            f"POST /tasks/ takes: {', '.join(known)}."
        )


class BadCursor(Invalid):
    """A page was asked for by something that no page gave."""

    def __init__(self) -> None:
        super().__init__(
            "The cursor is not one of ours; pass `next` of the page before, unchanged."
        )


class Degraded(Unavailable):
    """A server that the mesh needs does not answer; the problem's member `health` has the rest."""

    def __init__(self, dependencies: dict[str, str]) -> None:
        away = [f"{name}: {said}" for name, said in dependencies.items() if said != "ok"]
        super().__init__("; ".join(away))


class NotReady(Unavailable):
    """The same for those without a key."""

    def __init__(self) -> None:
        super().__init__("Not ready yet; GET /health says what is missing.", retry_after_s=1)
