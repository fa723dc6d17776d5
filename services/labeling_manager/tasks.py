"""Frames to the labeling tool, an eye on it, labels back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog

from services.labeling_manager import repository
from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    LabelingStatus,
    Prediction,
)
from services.labeling_manager.engines.table import labeling_engine
from services.labeling_manager.schemas import LabelingJob
from shared.db.models import Labeling
from shared.errors import ActverseError, Retryable
from shared.events.vision import LabelingCompleted
from shared.flow import ledger
from shared.flow.states import State
from shared.flow.work import Run, periodic, task
from shared.labels.boxes import FrameState, LabelSet
from shared.labels.effort import CORRECTIONS, account
from shared.labels.folder import read_frames, write_label_folder
from shared.platform import Platform
from shared.progress.board import publish_progress
from shared.storage.port import Storage
from shared.storage.trees import fetch_folder, keep_folder
from shared.storage.turns import turn

EFFORT = "effort.json"
GLOBAL = "global"  # whose boxes are suggested while the user has no model
log = structlog.get_logger()


def _engine(platform: Platform, name: str):  # noqa: ANN202 - a LabelingEngine, see its port
    return labeling_engine(name, platform)


@task()
def open_labeling(job: LabelingJob, run: Run) -> LabelingJob:
    """Make the labeling in the tool, or find the one made before."""
    engine = _engine(run.platform, job.labeler)
    model = job.preannotated_by or GLOBAL
    ref = engine.open(LabelingSpec(job.task_id, tuple(job.classes), model=model))
    return job.having(where=ref)


@task()
def push_frames(job: LabelingJob, run: Run) -> LabelingJob:
    """Hand the frames over, with what the global model sees in them, and have them watched."""
    storage = run.platform.storage
    folder = fetch_folder(storage, job.frame_path)
    listed = read_frames(folder / "frames.json")
    images = [
        FrameImage(entry.frame, folder / entry.file, f"{job.frame_path}/{entry.file}")
        for entry in listed
    ]
    engine = _engine(run.platform, job.labeler)
    engine.push(job.where, images, _predictions(storage, job.inference_result_path, job.classes))
    status = engine.status(job.where)
    with run.platform.sessions.begin() as session:
        repository.remember(session, job.task_id, job.labeler, job.where, len(images))
    run.report(1.0, status.message)
    return job.having(total=len(images), where=status.where or job.where)


def _predictions(
    storage: Storage, result_path: str | None, classes: list[str]
) -> dict[int, list[Prediction]]:
    """What the global model saw, by frame, in the user's classes.

    The one class of a one-class model becomes the user's first; of a model with several, those
    boxes are taken whose class has a name that the user wants too.
    """
    key = f"{result_path}/predictions.json"
    if result_path is None or not storage.exists(key):
        return {}
    found = json.loads(Path(storage.fetch(key)).read_text(encoding="utf-8"))
    names: list[str] = found["classes"]
    number = (
        {0: 0}
        if len(names) == 1
        else {theirs: classes.index(name) for theirs, name in enumerate(names) if name in classes}
    )
    return {
        int(frame): [
            Prediction(number[int(box[0])], *box[1:]) for box in boxes if int(box[0]) in number
        ]
        for frame, boxes in found["frames"].items()
    }


@task()
def download_labels(job: LabelingJob, run: Run) -> LabelingJob:
    """Fetch the finished labels and store them with the state of every frame."""
    storage = run.platform.storage
    with run.platform.reads() as session:
        row = repository.labeling_of(session, job.task_id)
    engine = _engine(run.platform, row.engine)
    _still_complete(engine.status(row.ref))
    labels = engine.pull(row.ref)
    prefix = f"labels/{job.task_id}"
    folder = storage.local(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    with turn(storage, run.platform.reads, prefix):  # a training of another task may read them
        write_label_folder(folder, labels)
        engine.close(row.ref)  # before the folder is kept: what the tool needed stays out of it
        effort = _effort(storage, job, labels, row.rate)
        (folder / EFFORT).write_text(json.dumps(effort, indent=1), encoding="utf-8")
        keep_folder(storage, prefix)
    counts = {state: labels.count(state) for state in FrameState}
    run.report(
        1.0,
        f"{counts[FrameState.LABELLED]} labelled, {counts[FrameState.EMPTY]} confirmed empty, "
        f"{counts[FrameState.UNSEEN]} unseen",
        corrections=sum(effort[name] for name in CORRECTIONS),
    )
    return job.having(
        labeling_path=prefix,
        labelled=counts[FrameState.LABELLED],
        empty=counts[FrameState.EMPTY],
        unseen=counts[FrameState.UNSEEN],
        effort=effort,
    )


def _effort(
    storage: Storage, job: LabelingJob, labels: LabelSet, frames_per_minute: float
) -> dict[str, Any]:
    """What the person did to the boxes that were suggested, and how long it took."""
    suggested = _predictions(storage, job.inference_result_path, list(labels.classes))
    by = (job.preannotated_by or GLOBAL) if suggested else None
    return account(
        suggested, labels, frames_per_minute=frames_per_minute, preannotated_by=by
    ).model_dump()


def _still_complete(status: LabelingStatus) -> None:
    """People may have gone on since the monitor looked: what is half written must not be left out."""
    if not status.complete:
        told = "; ".join(status.problems[:3]) or status.message or "a file was just written."
        raise Retryable(f"The labeling is not complete any more: {told}", retry_after_s=2)


@periodic
def watch_labelings(platform: Platform) -> None:
    """Ask every open labeling how far it is; harmless however often and from wherever it runs."""
    with platform.reads() as session:
        found = repository.open_labelings(session)
    for labeling, ended in found:
        try:
            _watch(platform, labeling, ended=ended)
        except Retryable as error:
            log.warning("labeling_manager.watch.postponed", error=str(error))
        except ActverseError as error:
            _give_up(platform, labeling.task_id, error)


def _watch(platform: Platform, labeling: Labeling, *, ended: bool) -> None:
    status = None
    if not ended:
        status = _engine(platform, labeling.engine).status(labeling.ref)
    with platform.sessions.begin() as session:
        row = repository.labeling_of(session, labeling.task_id)
        if status is None:
            row.state = repository.CLOSED
            return
        if repository.note_status(row, status):
            _show(session, labeling.task_id, status)
        if status.complete and _conclude(platform, session, labeling.task_id, status):
            row.state = repository.DONE


def _conclude(
    platform: Platform, session: ledger.Session, task_id: str, status: LabelingStatus
) -> bool:
    task_row = session.get_one(ledger.Task, task_id)
    return ledger.concluded_by(
        session,
        platform.bus,
        LabelingCompleted(
            task_id=task_id,
            user_id=task_row.user_id,
            total=status.total,
            done=status.done,
            skipped=status.skipped,
        ),
    )


def _show(session: ledger.Session, task_id: str, status: LabelingStatus) -> None:
    for run in ledger.latest_runs(session, task_id):
        if run.state == State.WAITING:
            run.progress = (status.done + status.skipped) / max(status.total, 1)
            told = "; ".join(status.problems[:3]) or status.message
            run.message = told or f"{status.done} of {status.total} frames labelled"
            publish_progress(session, run)


def _give_up(platform: Platform, task_id: str, error: ActverseError) -> None:
    with platform.sessions.begin() as session:
        repository.labeling_of(session, task_id).state = repository.CLOSED
        for run in ledger.latest_runs(session, task_id):
            if run.state == State.WAITING:
                ledger.failed(session, platform.bus, run, error)
