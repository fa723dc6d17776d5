"""Labeling in CVAT: a project for each labeling, a CVAT task for each part that is pushed.

Not yet run against a live CVAT: written from its documented REST API, and tested against a server
that answers as documented.

A CVAT task takes images once, so each push makes one more in the project. It is called "... loading"
until images and suggestions are in it; one that a killed push left is removed and made again. What
is in CVAT is found by names, so nothing is remembered besides the task file of the labeling, which
lies in the storage.

A frame counts when its job is completed in the stage acceptance: labelled with its boxes, confirmed
empty without; a deleted frame is skipped. Suggestions in other jobs were not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from services.labeling_manager.engines.cvat_client import Cvat, Json
from services.labeling_manager.engines.cvat_shapes import box_of, drawn, shape_of
from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    LabelingStatus,
    Predictions,
)
from services.labeling_manager.engines.record import TASK_FILE, Record, work_folder
from services.labeling_manager.errors import NothingDrawn, OtherClasses, ProjectGone
from shared.errors import NotFound
from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.platform import Platform
from shared.setting_groups.teaching import LabelingSettings
from shared.storage.disk import explaining
from shared.storage.port import Storage

LOADING = " loading"
TASK_FRAMES = 1000
SUGGESTED_FROM = 0.25  # fainter suggestions cost a person more time than they save
RATE_WINDOW_S = 600.0
COMPLETED, ACCEPTANCE = "completed", "acceptance"


@dataclass
class _Part:
    """One CVAT task: what its frames are called, and which of them are settled."""

    task: int
    frames: list[Json]  # name, width, height
    deleted: set[int]
    finished: set[int]  # frames of jobs that are done
    last_of_job: dict[int, int]  # frame -> last frame of its job

    def name(self, frame: int) -> str:
        """Name of the image, without folders."""
        return Path(str(self.frames[frame]["name"])).name

    def size(self, frame: int) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.frames[frame]["width"]), int(self.frames[frame]["height"])


class CvatEngine:
    """A project in a CVAT server."""

    def __init__(self, storage: Storage, settings: LabelingSettings) -> None:
        self._storage = storage
        self._settings = settings
        self._root = storage.local("labels/root").parent

    @classmethod
    def from_platform(cls, platform: Platform) -> Self:
        """With the CVAT that the operator has connected."""
        return cls(platform.storage, platform.settings.labeling)

    def open(self, spec: LabelingSpec) -> str:
        """Make the project, or find it by its name."""
        work = self._work(spec.task_id)
        record = Record.opened("cvat", spec, work)
        with Cvat.of(self._settings) as cvat:
            if cvat.project_named(_project(spec.task_id)) is None:
                cvat.make_project(_project(spec.task_id), record.spec.classes)
        self._keep(record, work)
        return spec.task_id

    def push(self, ref: str, frames: Sequence[FrameImage], predictions: Predictions) -> None:
        """Upload what CVAT does not have yet; suggestions of frames that it has stay as they are."""
        work = self._work(ref)
        record = Record.read(work).with_frames(frames, predictions)
        with self._project(ref) as (cvat, project):
            known: set[str] = set()
            count = 0
            for task in cvat.tasks(project):
                if str(task["name"]).endswith(LOADING):
                    cvat.delete_task(int(task["id"]))
                    continue
                count += 1
                names = cvat.meta(int(task["id"]))["frames"] or ()
                known |= {Path(str(frame["name"])).name for frame in names}
            new = sorted((f for f in frames if f.file not in known), key=lambda f: f.file)
            for start in range(0, len(new), TASK_FRAMES):
                count += 1
                name = f"{_project(ref)} part {count}"
                self._load(cvat, project, name, new[start : start + TASK_FRAMES], record)
        self._keep(record, work)

    def status(self, ref: str) -> LabelingStatus:
        """Ask for the jobs; a frame is done when its job is."""
        record = Record.read(self._work(ref))
        with self._project(ref) as (cvat, project):
            jobs = cvat.jobs(project)
            parts = self._parts(cvat, project, jobs)
            names = set(cvat.labels(project).values())
        there = {part.name(i) for part in parts for i in range(len(part.frames))}
        skipped = {part.name(i) for part in parts for i in part.deleted}
        done = {part.name(i) for part in parts for i in part.finished - part.deleted}
        wanted = {frame.file for frame in record.frames}
        problems = []
        if wanted - there:
            problems.append(
                f"{len(wanted - there)} frames are no longer in CVAT. Retry the labeling step of "
                "the task: it puts them back."
            )
        if names != set(record.spec.classes):
            problems.append(
                f"The labels of the project are {', '.join(sorted(names))}, but the task has "
                f"{', '.join(record.spec.classes)}. Rename them back; other labels cannot be used."
            )
        settled = len(wanted & (done | skipped))
        total = len(wanted)
        return LabelingStatus(
            total=total,
            done=len(wanted & done),
            skipped=len(wanted & skipped),
            rate=_rate(jobs, parts),
            complete=total > 0 and settled == total and not problems,
            problems=tuple(problems),
            message=(
                f"{len(wanted & done)} of {total} frames are in finished jobs, "
                f"{len(wanted & skipped)} skipped. A job is finished in the stage acceptance with "
                "the state completed."
            ),
            where=f"{self._settings.cvat_url.rstrip('/')}/projects/{project}",
        )

    def pull(self, ref: str) -> LabelSet:
        """The boxes of finished jobs by frame; all other frames are UNSEEN.

        A track ends with its job. So it tells which animal a box is of only where one job has all
        the frames: of several jobs one animal would have several identities.
        """
        record = Record.read(self._work(ref))
        classes = record.spec.classes
        found: dict[str, list[Box]] = {}
        skipped = jobs = 0
        with self._project(ref) as (cvat, project):
            labels = cvat.labels(project)
            for part in self._parts(cvat, project, cvat.jobs(project)):
                skipped += len(part.deleted)
                jobs += len(set(part.last_of_job.values()))
                settled = part.finished - part.deleted
                found |= {part.name(frame): [] for frame in settled}
                for frame, shape in drawn(cvat.annotations(part.task), part.last_of_job, cvat.url):
                    if frame not in settled:
                        continue
                    name = labels.get(int(shape["label_id"]), "")
                    if name not in classes:
                        raise OtherClasses(ref, classes, labels.values())
                    box = box_of(shape, part.size(frame), classes.index(name))
                    if box is not None:
                        found[part.name(frame)].append(box)
        if jobs > 1:
            found = {
                name: [replace(b, identity=None) for b in boxes] for name, boxes in found.items()
            }
        if record.frames and skipped >= len(record.frames):
            raise NothingDrawn(len(record.frames), _project(ref))
        frames = (
            FrameLabels.seen(each.frame, each.file, list(dict.fromkeys(found[each.file])))
            if each.file in found
            else FrameLabels(each.frame, each.file, FrameState.UNSEEN)
            for each in record.frames
        )
        return LabelSet(classes, tuple(frames))

    def close(self, ref: str) -> None:
        """Nothing to tidy: the project stays in CVAT with what people drew."""

    # --- the record and the project -----------------------------------------------------------

    def _work(self, ref: str) -> Path:
        """The work folder with the newest task file, whichever machine wrote it."""
        work = work_folder(self._root, ref)
        key = f"labels/{ref}/work/{TASK_FILE}"
        if self._storage.exists(key):
            self._storage.fetch(key)
        return work

    def _keep(self, record: Record, work: Path) -> None:
        with explaining(work):
            work.mkdir(parents=True, exist_ok=True)
        record.write(work)
        self._storage.keep(f"labels/{record.spec.task_id}/work/{TASK_FILE}")

    @contextmanager
    def _project(self, ref: str) -> Iterator[tuple[Cvat, int]]:
        with Cvat.of(self._settings) as cvat:
            project = cvat.project_named(_project(ref))
            if project is None:
                raise ProjectGone(ref)
            yield cvat, project

    def _load(
        self, cvat: Cvat, project: int, name: str, images: Sequence[FrameImage], record: Record
    ) -> None:
        for image in images:
            if not image.path.is_file():
                raise NotFound(f"The frame {image.file} does not exist. Extract the frames again.")
        task = cvat.make_task(project, name + LOADING, self._settings.cvat_job_frames)
        cvat.upload(task, [image.path for image in images])
        numbers = {label: number for number, label in cvat.labels(project).items()}
        suggested = {frame.file: frame.predictions or () for frame in record.frames}
        shapes = [
            shape_of(
                each,
                index,
                (int(frame["width"]), int(frame["height"])),
                numbers[record.spec.classes[each.class_id]],
            )
            for index, frame in enumerate(cvat.meta(task)["frames"])
            for each in suggested.get(Path(str(frame["name"])).name, ())
            if each.confidence >= SUGGESTED_FROM
        ]
        if shapes:
            cvat.put_shapes(task, shapes)
        cvat.rename_task(task, name)

    def _parts(self, cvat: Cvat, project: int, jobs: Sequence[Json]) -> list[_Part]:
        parts = []
        for task in cvat.tasks(project):
            if str(task["name"]).endswith(LOADING):
                continue
            number = int(task["id"])
            meta = cvat.meta(number)
            finished: set[int] = set()
            last: dict[int, int] = {}
            for job in (job for job in jobs if int(job["task_id"]) == number):
                frames = range(int(job["start_frame"]), int(job["stop_frame"]) + 1)
                last |= dict.fromkeys(frames, frames[-1])
                if _is_done(job):
                    finished |= set(frames)
            deleted = {int(frame) for frame in meta.get("deleted_frames") or ()}
            parts.append(_Part(number, list(meta["frames"] or ()), deleted, finished, last))
        return parts


def _project(task_id: str) -> str:
    return f"Actverse {task_id}"


def _is_done(job: Json) -> bool:
    return job.get("state") == COMPLETED and job.get("stage") == ACCEPTANCE


def _rate(jobs: Sequence[Json], parts: Sequence[_Part]) -> float:
    """Frames a minute, of the jobs that were finished in the last ten minutes."""
    known = {part.task for part in parts}
    since = datetime.now(UTC) - timedelta(seconds=RATE_WINDOW_S)
    frames = 0
    for job in jobs:
        if int(job["task_id"]) not in known or not _is_done(job):
            continue
        try:
            changed = datetime.fromisoformat(str(job.get("updated_date")))
        except ValueError:
            continue
        if changed.tzinfo is not None and changed > since:
            frames += int(job["stop_frame"]) - int(job["start_frame"]) + 1
    return round(60 * frames / RATE_WINDOW_S, 2)
