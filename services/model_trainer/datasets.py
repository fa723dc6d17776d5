"""Versions of data sets for their readers: lists, differences, archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from services.model_trainer import datasets_repository as repository
from services.model_trainer.datasets_schemas import DatasetDiff, DatasetsView, DatasetVersion
from services.model_trainer.engines.dataset_manifest import read_manifest
from services.model_trainer.errors import FrameMissing
from shared.admission.callers import Caller, own_task
from shared.db.learning_models import Dataset
from shared.labels.boxes import Box, FrameState
from shared.labels.formats import table
from shared.labels.formats.dataset import LabelledPictures, Picture
from shared.labels.yolo import parse_yolo
from shared.platform import Platform
from shared.storage.port import Storage

VIDEO_DIGITS = 12  # of its sha256, as the folder of its frames


def listed(platform: Platform, caller: Caller, task_id: str) -> DatasetsView:
    """The versions that the rounds of a task have made; `task_id` may be of any round."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        root_id = repository.root_id_of(session, task_id)
        rows = repository.versions_of(session, root_id)
    versions = [
        DatasetVersion(
            number=row.number,
            sha256=row.sha256,
            parent_sha256=row.parent_sha256,
            task_id=row.task_id,
            created_at=row.created_at,
            counts=row.manifest,
        )
        for row in rows
    ]
    return DatasetsView(task_id=root_id, versions=versions)


def difference(platform: Platform, caller: Caller, task_id: str, sha256: str) -> DatasetDiff:
    """A version against the one before it."""
    row = _version(platform, caller, task_id, sha256)
    return DatasetDiff(sha256=row.sha256, parent_sha256=row.parent_sha256, diff=row.diff)


def archive(
    platform: Platform, caller: Caller, task_id: str, sha256: str, name: str
) -> tuple[str, Iterator[bytes]]:
    """Name and content of a zip archive of a version in the format `name`.

    Every image is looked for before the first byte is sent, and checked against its sha256 when its
    turn comes. Raises `FrameMissing`.
    """
    row = _version(platform, caller, task_id, sha256)
    data = _pictures(platform.storage, _manifest(platform.storage, row))
    return f"{row.root_id[:8]}-v{row.number}-{name}.zip", table.stream(name, data)


def _version(platform: Platform, caller: Caller, task_id: str, sha256: str) -> Dataset:
    with platform.reads() as session:
        own_task(session, caller, task_id)
        root_id = repository.root_id_of(session, task_id)
        return repository.version_named(session, root_id, sha256)


def _manifest(storage: Storage, row: Dataset) -> dict[str, Any]:
    return read_manifest(storage, row.key, row.sha256)


def _pictures(storage: Storage, manifest: dict[str, Any]) -> LabelledPictures:
    frames: Sequence[dict[str, Any]] = manifest["frames"]
    kept = {key for folder in _folders(frames) for key in storage.list(folder)}
    videos = {frame["video"] for frame in frames}
    classes = tuple(manifest["classes"])
    pictures = []
    for frame in frames:
        if frame["key"] not in kept:
            raise FrameMissing(
                f"The image {frame['key']} of this data set is gone; it cannot be exported any more."
            )
        pictures.append(
            Picture(
                frame["file"],
                FrameState(frame["state"]),
                _boxes(frame, classes),
                folder=(frame["video"][:VIDEO_DIGITS] or "video") if len(videos) > 1 else "",
                split="" if frame["split"] == "unused" else frame["split"],
                frame=frame["frame"],
                width=frame["width"],
                height=frame["height"],
                content=partial(_content, storage, frame["key"], frame["image_sha256"]),
            )
        )
    return LabelledPictures(classes, tuple(pictures))


def _boxes(frame: dict[str, Any], classes: tuple[str, ...]) -> tuple[Box, ...]:
    boxes = parse_yolo(frame["labels"], classes, where=frame["file"])
    animals = frame.get("identities") or [None] * len(boxes)
    return tuple(replace(b, identity=animal) for b, animal in zip(boxes, animals, strict=True))


def _folders(frames: Sequence[dict[str, Any]]) -> set[str]:
    return {frame["key"].rpartition("/")[0] for frame in frames}


def _content(storage: Storage, key: str, sha256: str) -> bytes:
    return storage.fetch(key, sha256).read_bytes()
