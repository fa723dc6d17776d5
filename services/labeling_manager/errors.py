"""What can go wrong while frames are labelled, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from shared.errors import Conflict, Invalid, NotFound
from shared.messages import Sentence

SHOWN = 3  # names of images that a sentence gives as examples


class UnknownLabeler(Invalid):
    """The task names a labeling tool that this mesh does not have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no labeler {name!r}. Choose one of: {', '.join(known)}.")


class LabelingGone(NotFound):
    """The folder of an open labeling was removed, or its task file."""

    def __init__(self, task_file: Path) -> None:
        super().__init__(
            f"The task file {task_file} is gone. Put the folder back, or retry the labeling step of "
            "the task: it makes the folder again."
        )


class TaskFileDamaged(Conflict):
    """Somebody changed the task file so that it cannot be read."""

    def __init__(self, task_file: Path, why: str) -> None:
        super().__init__(
            f"The task file {task_file} cannot be read ({why}). Remove it and retry the labeling "
            "step of the task; labels that lie beside it are kept."
        )


class OtherClasses(Conflict):
    """A labeling that is open was opened again with other classes."""

    def __init__(self, task_id: str, open_with: Iterable[str], asked: Iterable[str]) -> None:
        super().__init__(
            f"The labeling of task {task_id} is open with the classes {', '.join(open_with)}, not "
            f"{', '.join(asked)}. Finish it as it is, or submit a new task with the other classes."
        )


class NothingLabelled(Conflict):
    """The labeling ended without one usable frame."""

    def __init__(self, total: int, where: str) -> None:
        super().__init__(
            f"The labeling ended, but none of its {total} frames is labelled. Put label files into "
            f"{where}, then retry the step."
        )


class ToolNotConnected(Conflict):
    """The settings name no labeling tool of this kind."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.label_studio_not_connected"))


class ToolTokenRefused(Conflict):
    """The tool does not know our token."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"Label Studio at {url} refuses the token. Put a valid one into "
            "ACTVERSE_LABELING__LABEL_STUDIO_TOKEN; a legacy token must be allowed in the tool's "
            "organisation settings."
        )


class ToolRefuses(Invalid):
    """The tool says that something of ours is not right."""

    def __init__(self, url: str, path: str, told: str) -> None:
        super().__init__(f"Label Studio at {url} refused {path}: {told}")


class NoLinkSecret(Conflict):
    """Addresses of frames would be signed with one secret and checked with another."""

    def __init__(self) -> None:
        super().__init__(
            "Gateway and workers share no folder here, so they need a common secret for addresses of "
            "frames: set ACTVERSE_LABELING__FRAME_LINK_SECRET for all of them, or "
            "ACTVERSE_LABELING__LABEL_STUDIO_FRAMES=upload."
        )


class ProjectGone(NotFound):
    """Somebody removed an open labeling from the tool."""

    def __init__(self, task_id: str, project: int | None = None) -> None:
        what = "" if project is None else f": project {project} was removed from Label Studio"
        super().__init__(
            f"The labeling of task {task_id} is gone{what}. Retry the labeling step of the task: it "
            "makes a new one."
        )


class NothingDrawn(Conflict):
    """Every frame was skipped."""

    def __init__(self, total: int, where: str) -> None:
        super().__init__(
            f"The labeling ended, but each of its {total} frames was skipped. Label some in {where}, "
            "then retry the step."
        )


class CvatNotConnected(Conflict):
    """The settings name no CVAT, or no account of it."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.cvat_not_connected"))


class CvatAccountRefused(Conflict):
    """CVAT does not let our account in, or not do this."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__(
            f"CVAT at {url} does not let this account use {path}. Put a valid "
            "ACTVERSE_LABELING__CVAT_TOKEN (not read-only) into the settings, and see that the "
            "account belongs to ..._CVAT_ORGANISATION."
        )


class CvatRefuses(Conflict):
    """CVAT says that something of ours is not right."""

    def __init__(self, url: str, path: str, told: str) -> None:
        super().__init__(f"CVAT at {url} refused {path}: {told}")


class NoConfidentBoxes(Conflict):
    """The rule that plays the annotator accepted nothing."""

    def __init__(self, total: int, accept: float, best: float) -> None:
        seen = f"its best box has {best:.2f}" if best > 0 else "it found no box at all"
        super().__init__(
            f"The global model is not sure of any animal in these {total} frames: {seen}, and boxes "
            f"are accepted from {accept:.2f}. Label the frames by hand (labeler `folder`), or lower "
            "the confidence from which boxes are accepted."
        )


class NoDrafts(NotFound):
    """The built-in labeler was never given this labeling, or its task was removed."""

    def __init__(self, task_id: str) -> None:
        super().__init__(Sentence("error.no_drafts", task_id=task_id))


class LabelingEnded(Conflict):
    """Somebody draws although the labels were fetched already."""

    def __init__(self, task_id: str) -> None:
        super().__init__(Sentence("error.labeling_ended", task_id=task_id))


class FrameTaken(Conflict):
    """Somebody else has the frame open."""

    def __init__(self, frame: int) -> None:
        super().__init__(Sentence("error.frame_taken", frame=frame))


class FrameChanged(Conflict):
    """The frame is not what the change is based on."""

    def __init__(self, frame: int) -> None:
        super().__init__(Sentence("error.frame_changed", frame=frame))


class LabeledElsewhere(Conflict):
    """The frames are in the hands of an outside tool; labels cannot be put into it."""

    def __init__(self, task_id: str, engine: str) -> None:
        super().__init__(Sentence("error.labeled_elsewhere", task_id=task_id, engine=engine))


class NothingMatched(Conflict):
    """A file of labels is of other images than the task's."""

    def __init__(self, pictures: Sequence[str], task_id: str, name: str) -> None:
        given = {"pictures": len(pictures), "task_id": task_id, "name": name}
        theirs = ", ".join(name[:80] for name in pictures[:SHOWN]) or "-"
        super().__init__(Sentence("error.nothing_matched", theirs=theirs, **given))


class NothingLookedAt(Conflict):
    """A file of labels is of the task's images, and says nothing about any of them."""

    def __init__(self, pictures: int, matched: int, task_id: str) -> None:
        given = {"pictures": pictures, "matched": matched, "task_id": task_id}
        super().__init__(Sentence("error.nothing_looked_at", **given))
