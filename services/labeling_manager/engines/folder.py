"""Labeling through a folder: frames appear in it, YOLO text files dropped there are the labels.

labels/{task_id}/work/
  README.txt     what a person does
  task.json      frames, classes, counts, suggestions (ours; read by `open`, `push`, `status`)
  classes.txt    the class names, one a line
  images/        the frames, hard links where the file system allows
  predictions/   suggestions of a model as YOLO texts; never read back
  labels/        where labels are expected (beside the images or in work/ they count too)
  skipped.txt    frames that a person does not want to use
  DONE           a person stops here; frames without a label stay UNSEEN
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from services.labeling_manager.engines.dropped import README, Dropped, look
from services.labeling_manager.engines.folder_readme import readme
from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    LabelingStatus,
    Predictions,
)
from services.labeling_manager.engines.record import PushedFrame, Record, work_folder
from services.labeling_manager.errors import LabelingGone, NothingLabelled
from shared.errors import NotFound
from shared.labels.boxes import Box, LabelSet
from shared.labels.folder import CLASSES, label_name
from shared.labels.yolo import write_yolo
from shared.platform import Platform
from shared.storage.disk import copy_whole, explaining, remove, replacing

SETTLE_S = 2.0  # a file written less than this ago may be half: no tool pauses longer in one file
RATE_WINDOW_S = 600.0
SUGGESTED_FROM = 0.25  # fainter suggestions cost a person more time than they save


class FolderEngine:
    """A label counts when its file was not touched for `settle_s` seconds and can be read."""

    def __init__(
        self,
        root: Path,
        *,
        settle_s: float = SETTLE_S,
        suggested_from: float = SUGGESTED_FROM,
    ) -> None:
        self.root = root
        self.settle_s = settle_s
        self.suggested_from = suggested_from

    @classmethod
    def from_platform(cls, platform: Platform) -> Self:
        """Nothing of it is for the operator to choose."""
        return cls(platform.storage.local("labels/root").parent)

    def open(self, spec: LabelingSpec) -> str:
        """Make the folder; files that lie in it already stay."""
        work = work_folder(self.root, spec.task_id)
        with explaining(work):
            for name in ("images", "predictions", "labels"):
                (work / name).mkdir(parents=True, exist_ok=True)
        record = Record.opened("folder", spec, work)
        _write(work / CLASSES, "".join(f"{name}\n" for name in record.spec.classes))
        self._describe(work, record)
        return spec.task_id

    def push(self, ref: str, frames: Sequence[FrameImage], predictions: Predictions) -> None:
        """Link the images and write the suggestions; the task file comes last."""
        work = work_folder(self.root, ref)
        record = Record.read(work).with_frames(frames, predictions)
        pushed = {frame.frame: frame for frame in record.frames}
        for image in frames:
            _link(image.path, work / "images" / image.file)
            self._suggest(work, pushed[image.frame])
        self._describe(work, record)

    def status(self, ref: str) -> LabelingStatus:
        """Read the folder."""
        work = work_folder(self.root, ref)
        record, dropped = self._look(work)
        return LabelingStatus(
            total=len(record.frames),
            done=dropped.done,
            skipped=dropped.skipped,
            rate=_rate(dropped.label_times, record.opened_at),
            complete=dropped.complete,
            problems=dropped.problems,
            message=_message(dropped, len(record.frames)),
            where=str(work),
        )

    def pull(self, ref: str) -> LabelSet:
        """The labels that can be read and are settled; all others are UNSEEN."""
        work = work_folder(self.root, ref)
        _, dropped = self._look(work)
        if dropped.complete and not dropped.done:
            raise NothingLabelled(len(dropped.labels.frames), str(work / "labels"))
        return dropped.labels

    def close(self, ref: str) -> None:
        """Remove images and suggestions; label files and the task file stay."""
        work = work_folder(self.root, ref)
        try:
            record = Record.read(work)
        except LabelingGone:
            return
        with explaining():
            for frame in record.frames:
                remove(work / "images" / frame.file)
            remove(work / "predictions")

    def _look(self, work: Path) -> tuple[Record, Dropped]:
        record = Record.read(work)
        return record, look(work, record, settle_s=self.settle_s)

    def _describe(self, work: Path, record: Record) -> None:
        _write(work / README, readme(record))
        record.write(work)

    def _suggest(self, work: Path, frame: PushedFrame) -> None:
        text = work / "predictions" / label_name(frame.file)
        boxes = [
            Box(each.class_id, each.cx, each.cy, each.w, each.h)
            for each in frame.predictions or ()
            if each.confidence >= self.suggested_from
        ]
        if boxes:
            _write(text, write_yolo(boxes))
        else:
            text.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """The image under its name in the folder, without a second copy where that is possible."""
    if not source.is_file():
        raise NotFound(f"The frame {source.name} does not exist. Extract the frames again.")
    with explaining(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and target.samefile(source):
            return
        try:
            with replacing(target) as temporary:
                os.link(source, temporary)
        except OSError:  # another file system, or one without links; a full disk shows itself below
            copy_whole(source, target)


def _write(file: Path, text: str) -> None:
    with explaining(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _rate(label_times: Sequence[float], opened_at: float) -> float:
    """Frames a minute in the last ten minutes, or since the labeling was opened."""
    now = time.time()
    start = max(opened_at, now - RATE_WINDOW_S)
    lately = sum(start <= appeared <= now for appeared in label_times)
    return round(60 * lately / max(now - start, 1.0), 2)


def _message(dropped: Dropped, total: int) -> str:
    seen = f"{dropped.done} of {total} frames are labelled, {dropped.skipped} skipped."
    if dropped.complete:
        return seen
    if dropped.finished and dropped.problems:
        return f"{seen} DONE is there, but files cannot be used: correct or remove them to go on."
    if dropped.problems:
        return f"{seen} Some files cannot be used: see the problems."
    return seen
