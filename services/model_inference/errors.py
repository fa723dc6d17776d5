"""What can go wrong while a video is analysed, each with its sentence."""

from __future__ import annotations

from pathlib import Path

from shared.errors import Conflict, MediaRejected, NotFound, Unavailable


class VideoMissing(NotFound):
    """The file to analyse is not there."""

    def __init__(self, video: Path) -> None:
        super().__init__(f"The video {video.name} does not exist. Download or upload it again.")


class VideoUnreadable(MediaRejected):
    """The file cannot be opened, holds no video, or no frame of it can be decoded."""

    def __init__(self, video: Path, reason: str) -> None:
        super().__init__(
            f"{video.name} cannot be analysed: {reason}. Play it to check, then convert it to H.264 "
            f"and submit it again."
        )


class AnalysisUnfinished(Conflict):
    """A writer was called before the analysis of its folder had finished."""

    def __init__(self, work: Path) -> None:
        super().__init__(
            f"The analysis in {work.name} has not finished, so its results cannot be written. "
            f"Run the analysis again: it continues after its last finished chunk."
        )


class ModelTooSlow(Unavailable):
    """The model server took a batch and gave no answer."""

    def __init__(self, model: str, waited_s: float) -> None:
        super().__init__(
            f"The model server gave no answer for {model} within {waited_s:.0f} s. "
            f"The analysis continues after its last finished chunk."
        )


class ModelMismatch(Conflict):
    """The server's answer does not fit the model's description."""

    def __init__(self, model: str, got: tuple[int, ...], expected: str) -> None:
        super().__init__(
            f"The model {model} answered with shape {got}, expected {expected}. "
            f"Its description in config.pbtxt and its model.onnx do not belong together: deploy it again."
        )
