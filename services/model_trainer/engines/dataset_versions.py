"""Versions of a data set: named by their content, never changed, each with a diff to the last.

    datasets/{root task}/{sha256}/manifest.json     classes, and for each frame: its image by key and
                                                    sha256, its state, its split, its label text

The sha256 is that of manifest.json itself, so a version cannot be changed without a new name. The
images stay where they are (`frames/{task}/`); an export checks them against their sha256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from PIL import Image, UnidentifiedImageError

from services.model_trainer import datasets_repository as repository
from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.dataset_manifest import counts, difference, read_manifest
from services.model_trainer.engines.merge import Merged, Source, merge
from services.model_trainer.errors import FrameMissing, LabelsChanged
from shared.events.learning_settings import LabelSource
from shared.labels.boxes import FrameLabels, FrameState
from shared.labels.folder import read_label_folder
from shared.labels.yolo import write_yolo
from shared.platform import Platform
from shared.storage.port import Storage
from shared.storage.trees import fetch_folder

log = structlog.get_logger()
SCHEMA = 1
TRAIN, VAL, DROPPED, UNUSED = "train", "val", "dropped", "unused"


def record_version(
    platform: Platform,
    *,
    root_id: str,
    task_id: str,
    user_id: str,
    sources: Sequence[LabelSource],
    dataset: Dataset,
) -> str:
    """Store the data set that a round was trained from as a version; its sha256.

    Call it once the data set is built (`build_dataset` or `store_model`), with the labels of all
    rounds, the oldest first and this round's last, and the built `dataset`: it says which image
    taught, which judged and which was dropped. Frames that nobody looked at are listed too.

    A second call with the same content gives the same version and changes nothing, also when two
    run at once. The version before it (the highest number of `root_id`) becomes its parent.

    Raises `LabelsChanged` when the stored labels are no longer those that `dataset` was built from,
    `FrameMissing`, `LabelInvalid`.
    """
    read = [_read(platform.storage, source, number) for number, source in enumerate(sources, 1)]
    merged = merge(read)
    if merged.sha256 != dataset.labels_sha256:
        raise LabelsChanged(root_id)
    split = {
        **dict.fromkeys(dataset.train, TRAIN),
        **dict.fromkeys(dataset.val, VAL),
        **dict.fromkeys(dataset.dropped, DROPPED),
    }
    manifest = {
        "schema": SCHEMA,
        "root_id": root_id,
        "classes": list(merged.classes),
        "labels_sha256": merged.sha256,
        "frames": [*_seen(merged, sources, split), *_unseen(merged, read, sources)],
    }
    text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    key = f"datasets/{root_id}/{sha256}/manifest.json"
    if not platform.storage.exists(key):
        file = platform.storage.local(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        platform.storage.keep(part, key)
        part.unlink(missing_ok=True)
    with platform.reads() as session:
        known = repository.version_of(session, root_id, sha256)
        parent = repository.newest_version(session, root_id)
    if known is not None:
        return sha256
    before = None if parent is None else read_manifest(platform.storage, parent.key, parent.sha256)
    columns = {
        "root_id": root_id,
        "sha256": sha256,
        "user_id": user_id,
        "task_id": task_id,
        "parent_sha256": None if parent is None else parent.sha256,
        "key": key,
        "manifest": counts(manifest),
        "diff": difference(before, manifest),
    }
    number = repository.remember_version(platform.sessions, columns)
    log.info("model_trainer.dataset.recorded", root_id=root_id, number=number, sha256=sha256)
    return sha256


def _read(storage: Storage, source: LabelSource, number: int) -> Source:
    frames = fetch_folder(storage, source.frame_path)
    labels = read_label_folder(fetch_folder(storage, source.labeling_path), frames / "frames.json")
    return Source(frames, labels, source.video_sha256 or "", number)


def _seen(
    merged: Merged, sources: Sequence[LabelSource], split: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for frame in merged.frames:
        key = f"{sources[frame.round - 1].frame_path}/{frame.labels.file}"
        yield {
            **_image(frame.image, key),
            **_row(frame.labels, frame.video, frame.round),
            "name": frame.name,
            "time_s": frame.time_s,
            "split": split.get(frame.name, UNUSED),
            "labels": write_yolo(frame.labels.boxes),
            **_identities(frame.labels),
        }


def _unseen(
    merged: Merged, read: Sequence[Source], sources: Sequence[LabelSource]
) -> Iterator[dict[str, Any]]:
    """Frames that nobody looked at in any round, once each."""
    known = {(frame.video, frame.labels.frame) for frame in merged.frames}
    for source, named in zip(read, sources, strict=True):
        for frame in source.labels.frames:
            if (source.video, frame.frame) in known:
                continue
            known.add((source.video, frame.frame))
            yield {
                **_image(source.frames / frame.file, f"{named.frame_path}/{frame.file}"),
                **_row(frame, source.video, source.round),
                "name": frame.file,
                "time_s": None,
                "split": UNUSED,
                "labels": "",
            }


def _row(labels: FrameLabels, video: str, number: int) -> dict[str, Any]:
    return {
        "frame": labels.frame,
        "file": labels.file,
        "video": video,
        "round": number,
        "state": labels.state.value,
        "boxes": len(labels.boxes) if labels.state is FrameState.LABELLED else 0,
    }


def _identities(labels: FrameLabels) -> dict[str, Any]:
    """Which animal each label line is of, where that is known of any."""
    animals = [box.identity for box in labels.boxes]
    return {"identities": animals} if any(each is not None for each in animals) else {}


def _image(file: Path, key: str) -> dict[str, Any]:
    """Key, sha256 and size in pixels of an image."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stream.seek(0)
            with Image.open(stream) as image:
                width, height = image.size
    except FileNotFoundError as error:
        raise FrameMissing(f"The frame {key} is missing. Extract the frames again.") from error
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise FrameMissing(f"The frame {key} is no image. Extract the frames again.") from error
    return {"key": key, "image_sha256": digest, "width": width, "height": height}
