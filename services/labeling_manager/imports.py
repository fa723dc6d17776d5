"""Labels that were made elsewhere become labels of a task's frames, matched by image name.

What the import says nothing about keeps the label it has. A frame that the file lists without
anybody having looked at it changes nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import structlog
from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from services.labeling_manager import repository
from services.labeling_manager.drafts import is_open, rows_of, still_open
from services.labeling_manager.errors import (
    LabeledElsewhere,
    LabelingEnded,
    NothingLookedAt,
    NothingMatched,
)
from services.labeling_manager.schemas import ImportView
from shared.admission.callers import Caller, own_task
from shared.db.learning_models import LabelDraft
from shared.db.models import Labeling, now
from shared.errors import NotFound
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.errors import LabelInvalid
from shared.labels.folder import (
    SUMMARY,
    FrameEntry,
    label_name,
    read_frames,
    read_label_folder,
    write_label_folder,
)
from shared.labels.formats import table
from shared.labels.formats.dataset import LabelledPictures, Picture
from shared.labels.identities import IDENTITIES, keep_identities
from shared.labels.yolo import write_yolo
from shared.messages import Sentence
from shared.platform import Platform
from shared.storage.disk import explaining, replacing
from shared.storage.port import Storage
from shared.storage.trees import fetch_folder, keep_folder
from shared.storage.turns import turn

log = structlog.get_logger()
NAMED = 20  # images that an answer names one by one
FOLDER, BUILTIN, STORED = "folder", "builtin", "stored"


def take(
    platform: Platform, caller: Caller, task_id: str, name: str, path: Path, *, dry_run: bool
) -> ImportView:
    """Read labels in the format `name` from `path` and, unless `dry_run`, store them.

    Harmless when repeated. Raises `LabelInvalid` for a file that cannot be believed,
    `NothingMatched` when it is of other images, `NothingLookedAt` when it says nothing about those of
    the task, `LabeledElsewhere` while an outside tool has them.
    """
    with platform.reads() as session:
        task = own_task(session, caller, task_id)
        classes = tuple(task.options.get("classes") or ("animal",))
        place = _place(session, task_id)
    entries = _entries(platform.storage, task_id)
    data = table.read(name, path, classes)
    found = _matched(data, entries)
    if not found:
        raise _nothing(task_id, data, entries)
    with turn(platform.storage, platform.reads, f"labels/{task_id}"):  # or some would be lost
        with platform.reads() as session:
            own_task(session, caller, task_id)  # it may have been deleted while we waited
        before = _stored(platform.storage, task_id, entries, classes)
        changed = [each for each in found.values() if each != before.get(each.frame, each)]
        view = _view(task_id, data, entries, found, len(changed), dry_run=dry_run)
        if not dry_run:
            labels = LabelSet(classes, tuple(found.values()))
            view.stored = _keep(platform, caller, task_id, labels, place)
            log.info(
                "labeling_manager.labels.imported", task_id=task_id, frames=view.stored, place=place
            )
    return view


def _place(session: Session, task_id: str) -> str:
    """Where the labels of the task are now: in a labeling that is open, or stored."""
    labeling = session.get(Labeling, task_id)
    if labeling is None:
        return STORED
    if labeling.state != repository.OPEN:
        if repository.is_fetching(session, task_id):  # what it stores would replace these labels
            raise LabelingEnded(task_id)
        return STORED
    if labeling.engine not in {FOLDER, BUILTIN}:
        raise LabeledElsewhere(task_id, labeling.engine)
    if labeling.engine == BUILTIN and not is_open(session, task_id):
        raise LabelingEnded(task_id)
    return labeling.engine


def _entries(storage: Storage, task_id: str) -> tuple[FrameEntry, ...]:
    key = f"frames/{task_id}/frames.json"
    if not storage.exists(key):
        raise NotFound(Sentence("error.no_frames", task_id=task_id))
    return read_frames(storage.fetch(key))


def _matched(data: LabelledPictures, entries: Sequence[FrameEntry]) -> dict[int, FrameLabels]:
    """The frames that somebody looked at elsewhere, by their number here."""
    by_stem: dict[str, Picture] = {}
    for picture in data.pictures:
        stem = PurePosixPath(picture.file).stem
        if stem in by_stem:
            raise LabelInvalid(
                f"Two folders of the file have an image {stem}: which one is of this task? "
                "Import the folders one by one."
            )
        by_stem[stem] = picture
    found = {}
    for entry in entries:
        match = by_stem.get(PurePosixPath(entry.file).stem)
        if match is not None and match.state is not FrameState.UNSEEN:
            found[entry.frame] = FrameLabels(entry.frame, entry.file, match.state, match.boxes)
    return found


def _nothing(
    task_id: str, data: LabelledPictures, entries: Sequence[FrameEntry]
) -> NothingMatched | NothingLookedAt:
    """Why no frame is labelled by `data`: it is of other images, or nobody looked at these."""
    ours = {PurePosixPath(entry.file).stem for entry in entries}
    names = [picture.file for picture in data.pictures]
    if matched := sum(PurePosixPath(name).stem in ours for name in names):
        return NothingLookedAt(len(names), matched, task_id)
    return NothingMatched(names, task_id, entries[0].file if entries else "-")


def _stored(
    storage: Storage, task_id: str, entries: Sequence[FrameEntry], classes: tuple[str, ...]
) -> dict[int, FrameLabels]:
    """The labels of the task by now; all frames unseen where there are none."""
    blank = {
        entry.frame: FrameLabels(entry.frame, entry.file, FrameState.UNSEEN) for entry in entries
    }
    if not storage.exists(f"labels/{task_id}/{SUMMARY}"):
        return blank
    frames_json = storage.fetch(f"frames/{task_id}/frames.json")
    folder = fetch_folder(storage, f"labels/{task_id}")
    labels = read_label_folder(folder, frames_json, classes=classes)
    return blank | {frame.frame: frame for frame in labels.frames}


def _view(
    task_id: str,
    data: LabelledPictures,
    entries: Sequence[FrameEntry],
    found: Mapping[int, FrameLabels],
    changed: int,
    *,
    dry_run: bool,
) -> ImportView:
    ours = {PurePosixPath(entry.file).stem for entry in entries}
    foreign = [p.path for p in data.pictures if PurePosixPath(p.file).stem not in ours]
    labelled = sum(each.state is FrameState.LABELLED for each in found.values())
    return ImportView(
        task_id=task_id,
        dry_run=dry_run,
        classes=list(data.classes),
        frames=len(entries),
        labelled=labelled,
        empty=len(found) - labelled,
        boxes=sum(len(each.boxes) for each in found.values()),
        changed=changed,
        left=len(entries) - len(found),
        foreign=len(foreign),
        foreign_names=foreign[:NAMED],
        told=list(data.told),
        stored=0,
    )


def _keep(platform: Platform, caller: Caller, task_id: str, labels: LabelSet, place: str) -> int:
    """Store the labels where they belong; of how many frames."""
    storage = platform.storage
    _note_identities(storage, task_id, labels)
    if place == BUILTIN:
        with platform.sessions.begin() as session:
            still_open(session, task_id)  # somebody may have finished it since we looked
            return sum(_draw(session, task_id, each, caller.user_id) for each in labels.frames)
    if place == FOLDER:
        folder = storage.local(f"labels/{task_id}/work") / "labels"
        with explaining(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for each in labels.frames:
                with replacing(folder / label_name(each.file)) as part:
                    part.write_text(write_yolo(each.boxes), encoding="utf-8")
        return len(labels.frames)
    entries = _entries(storage, task_id)
    before = _stored(storage, task_id, entries, labels.classes)
    merged = before | {each.frame: each for each in labels.frames}
    folder = storage.local(f"labels/{task_id}")
    write_label_folder(
        folder, replace(labels, frames=tuple(merged[number] for number in sorted(merged)))
    )
    keep_folder(storage, f"labels/{task_id}")
    return len(labels.frames)


def _note_identities(storage: Storage, task_id: str, labels: LabelSet) -> None:
    """Keep which box is of which animal, whatever tool has the boxes themselves."""
    key = f"labels/{task_id}/{IDENTITIES}"
    if storage.exists(key):
        storage.fetch(key)
    folder = storage.local(f"labels/{task_id}")
    with explaining(folder):
        if keep_identities(folder, labels.frames):
            storage.keep(key)


def _draw(session: Session, task_id: str, labels: FrameLabels, user_id: str) -> int:
    """Into the built-in labeler, unless somebody has the frame open; 1 if so."""
    at: datetime = now()
    done = session.execute(
        update(LabelDraft)
        .where(
            LabelDraft.task_id == task_id,
            LabelDraft.frame == labels.frame,
            or_(LabelDraft.lease_until.is_(None), LabelDraft.lease_until <= at),
        )
        .values(
            state=labels.state.value,
            boxes=rows_of(labels.boxes),
            revision=LabelDraft.revision + 1,
            updated_by=user_id,
            updated_at=at,
        )
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
