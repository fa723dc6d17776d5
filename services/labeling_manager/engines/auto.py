"""The rule that plays the annotator: confident boxes of a model become labels.

For demonstrations and for a first round without people. It cannot teach a model what the
predicting model does not see; its message says that nobody looked at these labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    LabelingStatus,
    Predictions,
)
from services.labeling_manager.engines.record import PushedFrame, Record, work_folder
from services.labeling_manager.errors import NoConfidentBoxes
from shared.errors import Invalid
from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.platform import Platform
from shared.storage.disk import explaining


class AutoEngine:
    """Complete as soon as frames are pushed.

    A frame whose best box has at least `accept` is LABELLED with all such boxes. One whose best
    box is doubtful (`doubt` .. `accept`) is left out: an unlabelled animal may be in it. One where
    the model saw nothing above `doubt` is left out too, unless `confirm_empty` trusts the model so
    far.
    """

    def __init__(
        self, root: Path, *, accept: float = 0.5, doubt: float = 0.1, confirm_empty: bool = False
    ) -> None:
        if not 0 <= accept <= 1:
            raise Invalid(f"The confidence from which boxes are accepted is {accept}, not in 0..1.")
        self.root = root
        self.accept = accept
        self.doubt = min(doubt, accept)
        self.confirm_empty = confirm_empty

    @classmethod
    def from_platform(cls, platform: Platform) -> Self:
        """With the confidence that the operator chose."""
        root = platform.storage.local("labels/root").parent
        return cls(root, accept=platform.settings.labeling.auto_confidence)

    def open(self, spec: LabelingSpec) -> str:
        """Writes the task file."""
        work = work_folder(self.root, spec.task_id)
        with explaining(work):
            work.mkdir(parents=True, exist_ok=True)
        Record.opened("auto", spec, work).write(work)
        return spec.task_id

    def push(self, ref: str, frames: Sequence[FrameImage], predictions: Predictions) -> None:
        """Remembers the predictions; the images themselves are not needed."""
        work = work_folder(self.root, ref)
        Record.read(work).with_frames(frames, predictions).write(work)

    def status(self, ref: str) -> LabelingStatus:
        """Complete from the first push on."""
        labels = self._labels(self._record(ref))
        labelled, empty = labels.count(FrameState.LABELLED), labels.count(FrameState.EMPTY)
        left_out = labels.count(FrameState.UNSEEN)
        total = len(labels.frames)
        return LabelingStatus(
            total=total,
            done=labelled + empty,
            skipped=left_out,
            rate=0.0,
            complete=total > 0,
            message=(
                f"Nobody looked at these labels: the global model's boxes of at least "
                f"{self.accept:.2f} confidence were accepted in {labelled} of {total} frames; "
                f"{empty} count as empty, {left_out} are left out."
            ),
        )

    def pull(self, ref: str) -> LabelSet:
        """The accepted boxes."""
        record = self._record(ref)
        labels = self._labels(record)
        if record.frames and not labels.count(FrameState.LABELLED):
            best = max((_best(frame) for frame in record.frames), default=0.0)
            raise NoConfidentBoxes(len(record.frames), self.accept, best)
        return labels

    def close(self, ref: str) -> None:
        """Nothing to tidy: the task file stays, so that a second `pull` gives the same."""

    def _record(self, ref: str) -> Record:
        return Record.read(work_folder(self.root, ref))

    def _labels(self, record: Record) -> LabelSet:
        return LabelSet(record.spec.classes, tuple(self._judged(frame) for frame in record.frames))

    def _judged(self, frame: PushedFrame) -> FrameLabels:
        best = _best(frame)
        if best >= self.accept and frame.predictions:
            boxes = [
                Box(each.class_id, each.cx, each.cy, each.w, each.h)
                for each in frame.predictions
                if each.confidence >= self.accept
            ]
            return FrameLabels.seen(frame.frame, frame.file, boxes)
        if self.confirm_empty and frame.predictions is not None and best < self.doubt:
            return FrameLabels.seen(frame.frame, frame.file, [])
        return FrameLabels(frame.frame, frame.file, FrameState.UNSEEN)


def _best(frame: PushedFrame) -> float:
    return max((each.confidence for each in frame.predictions or ()), default=0.0)
