"""The labeler in the browser: frames are rows of the database, drawn on at `/ui/label/{task_id}`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sqlalchemy.orm import Session

from services.labeling_manager import drafts
from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    LabelingStatus,
    Prediction,
    Predictions,
)
from services.labeling_manager.engines.record import checked
from services.labeling_manager.errors import NothingLabelled, OtherClasses
from shared.db.learning_models import LabelDraft, LabelSheet
from shared.db.models import Labeling
from shared.errors import Invalid
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.folder import checked_classes, label_name
from shared.platform import Platform
from shared.storage.paths import under


class BuiltinEngine:
    """Complete when every frame is decided and nobody has one open, or when somebody says so.

    A frame that is open is not done: its first box is stored at once, the others follow.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @classmethod
    def from_platform(cls, platform: Platform) -> Self:
        """Over the database of this mesh."""
        return cls(platform)

    def open(self, spec: LabelingSpec) -> str:
        """Makes the sheet, or opens a finished one again."""
        classes = checked_classes(spec.classes, where="The task")
        with self._platform.sessions.begin() as session:
            sheet = session.get(LabelSheet, spec.task_id)
            if sheet is None:
                sheet = LabelSheet(task_id=spec.task_id, classes=list(classes))
                session.add(sheet)
            elif tuple(sheet.classes) != classes:
                raise OtherClasses(spec.task_id, sheet.classes, classes)
            sheet.title, sheet.instructions = spec.title, spec.instructions
            sheet.finished_at = sheet.finished_by = None
            _ask_again(session, spec.task_id)
        return spec.task_id

    def push(self, ref: str, frames: Sequence[FrameImage], predictions: Predictions) -> None:
        """Adds rows; a frame that is there gets its new predictions, and keeps what was drawn."""
        with self._platform.sessions.begin() as session:
            classes = tuple(_sheet(session, ref).classes)
            known = {draft.frame: draft for draft in drafts.drafts_of(session, ref)}
            _apart(frames, known)
            for image in frames:
                suggested = predictions.get(image.frame)
                rows = None if suggested is None else _rows(checked(suggested, classes))
                draft = known.get(image.frame)
                if draft is None:
                    draft = LabelDraft(task_id=ref, frame=image.frame, boxes=[])
                    session.add(draft)
                draft.file, draft.key, draft.suggested = image.file, image.key, rows

    def status(self, ref: str) -> LabelingStatus:
        """Counts, by one statement."""
        with self._platform.reads() as session:
            sheet = _sheet(session, ref)
            found = drafts.figures(session, ref)
            labeling = session.get(Labeling, ref)
        concluded = labeling is not None and labeling.state != drafts.OPEN
        everything = found.total > 0 and found.decided == found.total
        finished = sheet.finished_at is not None
        root = self._platform.settings.gateway.public_url.rstrip("/")
        where = f"{root}/ui/label/{ref}"
        return LabelingStatus(
            total=found.total,
            done=found.counts[drafts.LABELLED] + found.counts[drafts.EMPTY],
            skipped=found.counts[drafts.SKIPPED],
            rate=found.recent / (drafts.RECENT_S / 60),
            complete=finished or (everything and (concluded or not found.leased)),
            message=f"{found.decided} of {found.total} frames are decided; label them at {where}",
            where=where,
        )

    def pull(self, ref: str) -> LabelSet:
        """What was drawn; frames that nobody decided, and skipped ones, are UNSEEN."""
        with self._platform.reads() as session:
            classes = tuple(_sheet(session, ref).classes)
            found = tuple(_labels(draft) for draft in drafts.drafts_of(session, ref))
        labels = LabelSet(classes, found)
        status = self.status(ref)
        if status.complete and not labels.usable:
            raise NothingLabelled(status.total, "the page of the task, " + status.where)
        return labels

    def close(self, ref: str) -> None:
        """Nothing to tidy: the drafts stay, so that a second `pull` gives the same."""


def _sheet(session: Session, ref: str) -> LabelSheet:
    under(Path("labels"), ref)  # a ref is a plain name, whatever the engine
    return drafts.sheet_of(session, ref)


def _ask_again(session: Session, task_id: str) -> None:
    """A labeling that gave nothing usable is opened again: its skipped frames are asked once more."""
    found = drafts.drafts_of(session, task_id)
    if found and all(draft.state == drafts.SKIPPED for draft in found):
        for draft in found:
            draft.state, draft.revision = drafts.UNSEEN, draft.revision + 1


def _apart(frames: Sequence[FrameImage], known: dict[int, LabelDraft]) -> None:
    files = {number: draft.file for number, draft in known.items()}
    files |= {image.frame: image.file for image in frames}
    for name, times in Counter(label_name(file) for file in files.values()).items():
        if times > 1:
            raise Invalid(
                f"{times} frames would share the label file {name}. Name every image otherwise."
            )


def _rows(predictions: Sequence[Prediction]) -> list[list[float]]:
    """As suggestions are stored: class, centre, size, confidence."""
    return [
        [p.class_id, *(round(n, 6) for n in (p.cx, p.cy, p.w, p.h, p.confidence))]
        for p in predictions
    ]


def _labels(draft: LabelDraft) -> FrameLabels:
    seconds = draft.seconds if draft.updated_at is not None else None
    if draft.state == drafts.LABELLED:
        boxes = drafts.boxes_of(draft.boxes)
        return FrameLabels(draft.frame, draft.file, FrameState.LABELLED, boxes, seconds)
    state = FrameState.EMPTY if draft.state == drafts.EMPTY else FrameState.UNSEEN
    return FrameLabels(draft.frame, draft.file, state, (), seconds)
