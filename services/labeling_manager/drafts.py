"""Frames in the built-in labeler: which there are, who has one open, what is drawn.

Several people work on one labeling. Whoever opens a frame holds a lease on it, renewed by every
change and by every look; nobody else gets that frame meanwhile. A change names the revision that
it is based on, so that nobody overwrites what he has not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from services.labeling_manager.errors import FrameChanged, FrameTaken, LabelingEnded, NoDrafts
from shared.db.learning_models import LabelDraft, LabelSheet
from shared.db.models import Labeling, now
from shared.errors import NotFound
from shared.labels.boxes import Box, checked_box

LEASE_S = 60.0
"""How long a frame stays with whoever opened it, after his last change or look."""
RECENT_S = 600.0
"""Over how long the rate is taken."""
LABELLED, EMPTY, UNSEEN, SKIPPED = "labelled", "empty", "unseen", "skipped"
STATES = (LABELLED, EMPTY, UNSEEN, SKIPPED)
OPEN = "OPEN"
ROUNDS_OF_LEASING = 50  # others take the frames that we have just seen free; each time one is lost


@dataclass(frozen=True)
class Drawing:
    """What somebody says about a frame."""

    state: str
    boxes: tuple[Box, ...]
    revision: int  # that it is based on
    seconds: float  # that the frame was open since the last change
    release: bool  # whether the frame is left


@dataclass(frozen=True)
class Figures:
    """How far a labeling is."""

    counts: dict[str, int]  # by state; every state has one
    seconds: float  # that people had frames open, in all
    recent: int  # frames changed within `RECENT_S`
    leased: int  # frames that somebody has open now

    @property
    def total(self) -> int:
        """All frames."""
        return sum(self.counts.values())

    @property
    def decided(self) -> int:
        """Frames that need nobody any more."""
        return self.total - self.counts[UNSEEN]


def sheet_of(session: Session, task_id: str) -> LabelSheet:
    """The labeling of a task in the built-in labeler."""
    sheet = session.get(LabelSheet, task_id)
    if sheet is None:
        raise NoDrafts(task_id)
    return sheet


def is_open(session: Session, task_id: str) -> bool:
    """Whether labels may be changed; not once they were fetched, or somebody said finish."""
    labeling = session.get(Labeling, task_id)
    fetched = labeling is not None and labeling.state != OPEN
    return not fetched and sheet_of(session, task_id).finished_at is None


def still_open(session: Session, task_id: str) -> None:
    """See that labels may be changed, or raise `LabelingEnded`."""
    if not is_open(session, task_id):
        raise LabelingEnded(task_id)


def drafts_of(session: Session, task_id: str) -> Sequence[LabelDraft]:
    """Every frame, in the order of the video."""
    frames = select(LabelDraft).where(LabelDraft.task_id == task_id).order_by(LabelDraft.frame)
    return session.scalars(frames).all()


def outline(session: Session, task_id: str, annotator: str) -> list[tuple[int, str, bool]]:
    """Frame, state, and whether somebody else has it open; nothing else is read."""
    rows = session.execute(
        select(LabelDraft.frame, LabelDraft.state, _taken(annotator))
        .where(LabelDraft.task_id == task_id)
        .order_by(LabelDraft.frame)
    )
    return [(frame, state, bool(taken)) for frame, state, taken in rows]


def figures(session: Session, task_id: str) -> Figures:
    """Counted by the database."""
    at = now()
    rows = session.execute(
        select(
            LabelDraft.state,
            func.count(),
            func.sum(LabelDraft.seconds),
            func.count().filter(LabelDraft.updated_at > at - timedelta(seconds=RECENT_S)),
            func.count().filter(LabelDraft.lease_until > at),
        )
        .where(LabelDraft.task_id == task_id)
        .group_by(LabelDraft.state)
    ).all()
    counts = dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}
    seconds, recent, leased = (sum(row[n] or 0 for row in rows) for n in (2, 3, 4))
    return Figures(counts, float(seconds), recent, leased)


def frame_of(session: Session, task_id: str, frame: int) -> LabelDraft:
    """One frame as it is stored now."""
    draft = session.get(LabelDraft, (task_id, frame), populate_existing=True)
    if draft is None:
        raise NotFound(f"Task {task_id} has no frame {frame} to label; its board lists them.")
    return draft


def next_frame(
    session: Session, task_id: str, annotator: str, after: int | None
) -> LabelDraft | None:
    """The next undecided frame that nobody has open, from now on with `annotator`; None: no more.

    Looks behind `after` first, then from the start. Two who ask at once get different frames: the
    lease is taken by compare-and-set.
    """
    free = (LabelDraft.task_id == task_id, LabelDraft.state == UNSEEN, ~_taken(annotator))
    for _ in range(ROUNDS_OF_LEASING):
        found = None
        if after is not None:
            found = _first(session, *free, LabelDraft.frame > after)
        found = _first(session, *free) if found is None else found
        if found is None:
            return None
        if _lease(session, task_id, found, annotator):
            return frame_of(session, task_id, found)
    return None


def take(session: Session, task_id: str, frame: int, annotator: str) -> LabelDraft:
    """Open a frame, or keep it open; `FrameTaken` while somebody else has it."""
    if not _lease(session, task_id, frame, annotator):
        frame_of(session, task_id, frame)  # it may not be there at all
        raise FrameTaken(frame)
    return frame_of(session, task_id, frame)


def release(session: Session, task_id: str, frame: int, annotator: str) -> None:
    """Leave a frame to others; harmless for one that is not `annotator`'s."""
    session.execute(
        update(LabelDraft)
        .where(_is(task_id, frame), LabelDraft.lease_user == annotator)
        .values(lease_user=None, lease_until=None)
    )


def save(session: Session, task_id: str, frame: int, annotator: str, drawn: Drawing) -> LabelDraft:
    """Store what was drawn; the lease is renewed by it, or given back.

    The same change again (its answer was lost on the way) gives the same. `FrameTaken` while
    somebody else has the frame open, `FrameChanged` when it is not what the change is based on.
    """
    classes = tuple(sheet_of(session, task_id).classes)
    checked = [checked_box(box, classes, where=f"Frame {frame}") for box in drawn.boxes]
    boxes = rows_of(checked)
    done = session.execute(
        update(LabelDraft)
        .where(_is(task_id, frame), LabelDraft.revision == drawn.revision, ~_taken(annotator))
        .values(
            state=drawn.state,
            boxes=boxes,
            seconds=LabelDraft.seconds + drawn.seconds,
            revision=LabelDraft.revision + 1,
            updated_by=annotator,
            updated_at=now(),
            lease_user=None if drawn.release else annotator,
            lease_until=None if drawn.release else now() + timedelta(seconds=LEASE_S),
        )
    )
    stored = frame_of(session, task_id, frame)
    if done.rowcount:  # type: ignore[attr-defined]
        return stored
    mine = stored.updated_by == annotator and stored.revision == drawn.revision + 1
    if mine and (stored.state, stored.boxes) == (drawn.state, boxes):
        return stored
    if stored.revision == drawn.revision:
        raise FrameTaken(frame)
    raise FrameChanged(frame)


def finish(session: Session, task_id: str, user_id: str) -> None:
    """Nothing more will come: frames that are not decided count as unseen."""
    sheet = sheet_of(session, task_id)
    if sheet.finished_at is None:
        sheet.finished_at, sheet.finished_by = now(), user_id


def rows_of(boxes: Iterable[Box]) -> list[list[float]]:
    """As boxes are stored: class, centre, size."""
    return [[b.class_id, *(round(n, 6) for n in (b.cx, b.cy, b.w, b.h))] for b in boxes]


def boxes_of(rows: Iterable[Sequence[Any]]) -> tuple[Box, ...]:
    """The boxes that were stored."""
    return tuple(Box(int(class_id), *map(float, rest)) for class_id, *rest in rows)


def is_taken(draft: LabelDraft, annotator: str) -> bool:
    """Whether somebody else has the frame open."""
    until = draft.lease_until
    return until is not None and until > now() and draft.lease_user != annotator


def _first(session: Session, *conditions: ColumnElement[bool]) -> int | None:
    return session.scalar(
        select(LabelDraft.frame).where(*conditions).order_by(LabelDraft.frame).limit(1)
    )


def _lease(session: Session, task_id: str, frame: int, annotator: str) -> bool:
    done = session.execute(
        update(LabelDraft)
        .where(_is(task_id, frame), ~_taken(annotator))
        .values(lease_user=annotator, lease_until=now() + timedelta(seconds=LEASE_S))
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _is(task_id: str, frame: int) -> ColumnElement[bool]:
    return and_(LabelDraft.task_id == task_id, LabelDraft.frame == frame)


def _taken(annotator: str) -> ColumnElement[bool]:
    """Whether somebody else has it open; never NULL, so that it can be turned round."""
    theirs = and_(LabelDraft.lease_until > now(), LabelDraft.lease_user != annotator)
    return and_(LabelDraft.lease_until.is_not(None), LabelDraft.lease_user.is_not(None), theirs)
