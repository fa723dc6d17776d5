"""What can be wrong with a training, each said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Conflict, Invalid, NotFound
from shared.messages import Sentence


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


class FrozenVideoTaught(Conflict):
    """A video that models were taught from cannot judge them."""

    def __init__(self, video: str) -> None:
        super().__init__(
            f"The video {video[:12]} cannot be added to the validation set: earlier rounds taught "
            "from its frames. Add a video that is new in this round."
        )


class KeyReused(Invalid):
    """An Idempotency-Key came back with another request."""

    def __init__(self, key: str) -> None:
        super().__init__(Sentence("error.key_reused", key=key))


class NoRounds(Invalid):
    """Rounds were asked of a task that cannot have any."""

    def __init__(self, task_id: str, pipeline: str) -> None:
        super().__init__(Sentence("error.no_rounds", task_id=task_id, pipeline=pipeline))


class RoundOneUnfinished(Conflict):
    """There is no detector yet that a further round could make better."""

    def __init__(self, task_id: str, state: str) -> None:
        remedy = (
            f"it has {state.lower()}; POST /tasks/{task_id}/retry lets it go on."
            if state in {"FAILED", "CANCELLED"}
            else f"it is {state.lower()}; wait for its end, GET /status/{task_id} tells."
        )
        super().__init__(f"Further rounds begin when round one, task {task_id}, is done: {remedy}")


class RoundOpen(Conflict):
    """One round at a time: the next one starts from what this one gives."""

    def __init__(self, number: int, task_id: str, step: str | None) -> None:
        given = {"number": number, "task_id": task_id}
        super().__init__(
            Sentence("error.round_open_at", step=step, **given)
            if step
            else Sentence("error.round_open", **given)
        )


class NoTriggers(NotFound):
    """Nobody has set triggers for the task."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"Task {task_id} has no triggers; PUT /tasks/{task_id}/triggers sets them."
        )


class LabelsChanged(Conflict):
    """The stored labels are not those that the data set was built from."""

    def __init__(self, root_id: str) -> None:
        super().__init__(
            f"The labels of task {root_id} changed after its data set was built. Retry the training "
            "step: it builds the data set again."
        )
