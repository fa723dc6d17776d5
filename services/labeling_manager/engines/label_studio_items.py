"""Which frame is which task of the tool, and what the tool says of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from services.labeling_manager.engines.label_studio_format import judged
from shared.db.learning_models import LabelItem
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.errors import LabelInvalid


class Items:
    """The rows of one labeling; a row without `item` is on its way, or was when somebody died."""

    def __init__(self, sessions: sessionmaker[Session], task_id: str) -> None:
        self._sessions = sessions
        self._task_id = task_id

    def all(self) -> dict[int, LabelItem]:
        """By frame, in the order of the video."""
        with self._sessions() as session:
            rows = session.scalars(
                select(LabelItem)
                .where(LabelItem.task_id == self._task_id)
                .order_by(LabelItem.frame)
            )
            return {row.frame: row for row in rows}

    def on_the_way(self) -> bool:
        """Whether frames were announced of which nobody knows whether they arrived."""
        return any(row.item is None for row in self.all().values())

    def announce(self, frames: Iterable[tuple[int, str]]) -> None:
        """Write rows without item, before the frames are sent; those that are there stay."""
        with self._sessions.begin() as session:
            for frame, file in frames:
                if session.get(LabelItem, (self._task_id, frame)) is None:
                    session.add(LabelItem(task_id=self._task_id, frame=frame, file=file))

    def fill(self, numbers: Mapping[int, int]) -> None:
        """Store the tool's numbers of frames that have arrived."""
        with self._sessions.begin() as session:
            for frame, number in numbers.items():
                row = session.get(LabelItem, (self._task_id, frame))
                if row is not None:  # else somebody imported a task of their own
                    row.item = str(number)

    def forget(self) -> None:
        """Drop all: the project that they lie in is gone."""
        with self._sessions.begin() as session:
            session.execute(delete(LabelItem).where(LabelItem.task_id == self._task_id))


@dataclass(frozen=True)
class Read:
    """Every frame as the tool's annotations say it."""

    labels: LabelSet
    items: frozenset[str]  # the tool's tasks of these frames
    skipped: int  # frames that people looked at and did not want to use
    problems: tuple[str, ...]  # sentences, one for each annotation that cannot be used

    def absent_from(self, tasks: Iterable[Mapping[str, Any]]) -> int:
        """How many of the frames somebody has removed from the tool."""
        return len(self.items - {str(task["id"]) for task in tasks})


def frames_in(tasks: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Our frames among the tool's tasks; of a frame that is there twice, the first."""
    found: dict[int, int] = {}
    for task in tasks:
        frame = task.get("data", {}).get("frame")
        if isinstance(frame, int):
            found[frame] = min(int(task["id"]), found.get(frame, int(task["id"])))
    return found


def read(
    exported: Iterable[Mapping[str, Any]], rows: Mapping[int, LabelItem], classes: Sequence[str]
) -> Read:
    """The export, keyed by the tool's task and not by file name; what cannot be used is UNSEEN."""
    touched = {str(task["id"]): task for task in exported}
    frames: list[FrameLabels] = []
    problems: list[str] = []
    skipped = 0
    for frame, row in sorted(rows.items()):
        task = touched.get(row.item or "", {})
        try:
            found = judged(task, frame, row.file, classes)
        except LabelInvalid as error:
            problems.append(str(error))
            found = FrameLabels(frame, row.file, FrameState.UNSEEN)
        else:
            skipped += bool(task.get("annotations")) and found.state is FrameState.UNSEEN
        frames.append(found)
    items = frozenset(row.item for row in rows.values() if row.item)
    return Read(LabelSet(tuple(classes), tuple(frames)), items, skipped, tuple(problems))
