"""What a labeling tool can do, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from shared.labels.boxes import LabelSet
from shared.platform import Platform


@dataclass(frozen=True, slots=True)
class Prediction:
    """A box that a model suggests; centre and size as shares of the image, 0..1 (YOLO)."""

    class_id: int  # position in the classes of the labeling, not of the model
    cx: float
    cy: float
    w: float
    h: float
    confidence: float  # 0..1


@dataclass(frozen=True, slots=True)
class FrameImage:
    """One frame to be labelled."""

    frame: int  # index in the video, from 0
    path: Path  # of the image on this machine
    key: str = ""  # of the image in the storage

    @property
    def file(self) -> str:
        """The image's name; unique within a labeling, without its ending too."""
        return self.path.name


Predictions = Mapping[int, Sequence[Prediction]]
"""By frame index. An empty sequence: a model looked and saw nothing; no entry: none looked."""


@dataclass(frozen=True)
class LabelingSpec:
    """What is to be labelled, and how a person is told."""

    task_id: str
    classes: tuple[str, ...]  # the position is the class_id
    title: str = ""
    instructions: str = ""
    model: str = "global"  # name and version of the model that suggests


@dataclass(frozen=True)
class LabelingStatus:
    """How far a labeling is."""

    total: int  # frames that were pushed
    done: int  # labelled or confirmed empty
    skipped: int  # a person (or a rule) decided not to use them
    rate: float  # frames a minute, over the last minutes
    complete: bool  # nothing more will come: pull now
    problems: tuple[str, ...] = ()  # sentences for the person who labels
    message: str = ""  # one sentence for the status of the task
    where: str = ""  # the folder or the address where a person goes


class LabelingEngine(Protocol):
    """A labeling tool. Every verb may be called twice, from another process too.

    Call `open`, then `push` (once, or in parts), and look at `status` only after the last part.
    Errors: `services.labeling_manager.errors`, `Unavailable` (retryable) for a tool that does not
    answer.
    """

    @classmethod
    def from_platform(cls, platform: Platform) -> Self:
        """With the database, the storage and the settings of this process."""
        ...

    def open(self, spec: LabelingSpec) -> str:
        """Make the labeling, or find the one made before; the ref that names it from now on."""
        ...

    def push(self, ref: str, frames: Sequence[FrameImage], predictions: Predictions) -> None:
        """Hand over frames; one that the tool already has is not added again."""
        ...

    def status(self, ref: str) -> LabelingStatus:
        """How far it is; cheap enough to be asked every few seconds."""
        ...

    def pull(self, ref: str) -> LabelSet:
        """All pushed frames with what is known about each; frames without a label are UNSEEN.

        Before the labeling is complete: what there is by now. Raises a `Conflict` when it is
        complete and no frame can be used.
        """
        ...

    def close(self, ref: str) -> None:
        """Tidy up after the labels are stored; never removes what a person made."""
        ...
