"""What can be wrong with a training, each said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Conflict, Invalid, NotFound


class DatasetTooSmall(Conflict):
    """Fewer labelled frames than training accepts."""

    def __init__(self, images: int, needed: int) -> None:
        frames = "frame has" if images == 1 else "frames have"
        super().__init__(
            f"Only {images} labelled {frames} at least one box; training needs {needed}. "
            "Label more frames, or lower `min_images` (2 is the least)."
        )


class NothingLabelled(Conflict):
    """Nobody drew a box."""

    def __init__(self, frames: int, empty: int) -> None:
        super().__init__(
            f"None of the {frames} frames has a box ({empty} are confirmed empty, "
            f"{frames - empty} were not looked at). Draw boxes around the animals first."
        )


class ClassNotInTraining(Conflict):
    """However the video is cut, some class would be validated but never taught."""

    def __init__(self, classes: Sequence[str]) -> None:
        names = ", ".join(classes)
        super().__init__(
            f"However the video is cut in time, training or validation would have no {names}. "
            "Label it in more frames, far apart in time, or remove the class."
        )


class FrameMissing(NotFound):
    """A frame that is listed and labelled is not in the frames folder."""


class WeightsUnknown(Invalid):
    """The settings name weights that do not exist."""


class WeightsDamaged(Conflict):
    """A file of weights is not what its record says, or no detector can be read from it."""


class TrainingFailed(Conflict):
    """Training cannot go on with these settings and this machine."""
