"""The data set of one training, on disk as ultralytics reads it.

    work/data.yaml                      train, val and names; paths relative to itself, so movable
    work/data/images/{train,val}/       the frames, linked where the disk allows, else copied
    work/data/labels/{train,val}/       YOLO text; an empty one is a confirmed empty frame
    work/data/train_test_split.txt      a line per labelled frame: `train|val|dropped image time_s`
    work/data/dataset.json              everything `Dataset` says, to load it in another process

Frames that nobody looked at are in none of them: an animal in one would teach "background".
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from services.model_trainer.engines.split import GUARD_S, Guard, Sample, Split, split_by_time
from services.model_trainer.errors import (
    ClassNotInTraining,
    DatasetTooSmall,
    FrameMissing,
    NothingLabelled,
)
from shared.errors import NotFound
from shared.events.settings import TrainingSettings
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.folder import label_name, read_frames
from shared.labels.yolo import write_yolo
from shared.progress.report import Report, silent

JPEG_END = b"\xff\xd9"
FEW_TO_JUDGE = 5  # validation frames; with fewer, one frame moves the figures by tens of percent
SPLIT_HEADER = (
    "# set image time_s: train = taught, val = judged, dropped = within 2 s of a val frame\n"
)


@dataclass(frozen=True)
class Dataset:
    """What was built, and how far its figures can be trusted."""

    work: Path
    classes: tuple[str, ...]
    train: tuple[str, ...]  # names of images, in the order of the video
    val: tuple[str, ...]
    dropped: tuple[str, ...]  # labelled, but too close to validation
    unseen: int  # frames that nobody looked at
    backgrounds: int  # confirmed empty frames in train and val
    boxes: dict[str, tuple[int, int]]  # class -> boxes in training, in validation
    val_blocks_s: tuple[tuple[float, float], ...]  # first and last second of each block
    leakage: float  # 0..1, share of validation frames within 2 s of a training frame
    labels_sha256: str
    sha256: str  # of split, labels and classes: the same data set has the same
    warnings: tuple[str, ...]  # sentences for the user

    @property
    def yaml(self) -> Path:
        """The file that training and evaluation read."""
        return self.work / "data.yaml"

    @property
    def summary(self) -> str:
        """Two or three lines for the log and the console, leakage first among the figures."""
        blocks = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in self.val_blocks_s)
        head = (
            f"{len(self.train)} training and {len(self.val)} validation frames "
            f"({self.backgrounds} of them empty), {len(self.dropped)} dropped, "
            f"{self.unseen} unseen; validation blocks: {blocks}; leakage: "
            f"{self.leakage:.0%} of the validation frames lie within {GUARD_S:g} s of a training frame"
        )
        return "\n".join([head, *self.warnings])


def build_dataset(
    frames: Path,
    labels: LabelSet,
    settings: TrainingSettings,
    work: Path,
    *,
    guard: Guard = "auto",
    report: Report = silent,
) -> Dataset:
    """Build the data set of `labels` under `work` from the images and frames.json in `frames`.

    May be called again: it builds aside and swaps, and the same input gives the same data set.
    Raises `NothingLabelled`, `DatasetTooSmall`, `ClassNotInTraining`, `FrameMissing`, `LabelInvalid`.
    """
    times = {entry.frame: entry.time_s for entry in read_frames(frames / "frames.json")}
    usable = sorted(labels.usable, key=lambda frame: frame.frame)
    _check_enough(labels, settings)
    for frame in usable:
        if frame.frame not in times:
            raise FrameMissing(
                f"Frame {frame.frame} is labelled but not listed in {frames / 'frames.json'}. "
                "Labels and frames are of different extractions: fetch the labels again."
            )
    usable.sort(key=lambda frame: times[frame.frame])
    samples = [
        Sample(times[frame.frame], frozenset(box.class_id for box in frame.boxes))
        for frame in usable
    ]
    split = split_by_time(samples, val_share=settings.val_share, seed=settings.seed, guard=guard)
    if split.unteachable or not any(samples[i].classes for i in split.val) or not split.train:
        wrong = split.unteachable or tuple({c for s in samples for c in s.classes})
        raise ClassNotInTraining([labels.classes[i] for i in wrong])
    lines = _split_lines(usable, samples, split)
    dataset = _describe(work, labels, usable, samples, split, lines=lines)
    part = work / "data.part"
    shutil.rmtree(part, ignore_errors=True)
    placed = 0
    for name, positions in (("train", split.train), ("val", split.val)):
        for kind in ("images", "labels"):
            (part / kind / name).mkdir(parents=True)
        for i in positions:
            _place(frames / usable[i].file, part / "images" / name / usable[i].file)
            text = part / "labels" / name / label_name(usable[i].file)
            text.write_text(write_yolo(usable[i].boxes), encoding="utf-8")
            placed += 1
            report(placed / (len(split.train) + len(split.val)), "building the data set")
    (part / "train_test_split.txt").write_text(SPLIT_HEADER + "".join(lines), encoding="utf-8")
    content = {key: value for key, value in asdict(dataset).items() if key != "work"}
    (part / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _swap(part, work / "data")
    _write_yaml(dataset)
    report(1.0, dataset.summary, leakage=dataset.leakage)
    return dataset


def load_dataset(work: Path) -> Dataset:
    """The data set that `build_dataset` left under `work`, as another process left it."""
    file = work / "data" / "dataset.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"There is no data set at {file}. Build it first.") from error
    lists = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
    lists["val_blocks_s"] = tuple((start, end) for start, end in content["val_blocks_s"])
    boxes = {name: (train, val) for name, (train, val) in content["boxes"].items()}
    return Dataset(**{**content, **lists, "boxes": boxes, "work": work})


def _check_enough(labels: LabelSet, settings: TrainingSettings) -> None:
    labelled = labels.count(FrameState.LABELLED)
    if not labelled:
        raise NothingLabelled(len(labels.frames), labels.count(FrameState.EMPTY))
    needed = max(settings.min_images, 2)
    if labelled < needed:
        raise DatasetTooSmall(labelled, needed)


def _split_lines(
    usable: Sequence[FrameLabels], samples: Sequence[Sample], split: Split
) -> list[str]:
    where = {**dict.fromkeys(split.train, "train"), **dict.fromkeys(split.val, "val")}
    lines = []
    for i, frame in enumerate(usable):
        name = where.get(i, "dropped")
        image = frame.file if name == "dropped" else f"images/{name}/{frame.file}"
        lines.append(f"{name} {image} {samples[i].time_s:.3f}\n")
    return lines


def _describe(
    work: Path,
    labels: LabelSet,
    usable: Sequence[FrameLabels],
    samples: Sequence[Sample],
    split: Split,
    *,
    lines: list[str],
) -> Dataset:
    def names(positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(usable[i].file for i in positions)

    def boxes(positions: Sequence[int], class_id: int) -> int:
        return sum(box.class_id == class_id for i in positions for box in usable[i].boxes)

    boxes_by_class = {
        name: (boxes(split.train, i), boxes(split.val, i)) for i, name in enumerate(labels.classes)
    }
    content = "".join([*lines, *labels.classes, labels.sha256])
    return Dataset(
        work=work,
        classes=labels.classes,
        train=names(split.train),
        val=names(split.val),
        dropped=names(split.dropped),
        unseen=labels.count(FrameState.UNSEEN),
        backgrounds=sum(not samples[i].classes for i in (*split.train, *split.val)),
        boxes=boxes_by_class,
        val_blocks_s=_blocks(samples, split.val),
        leakage=split.leakage,
        labels_sha256=labels.sha256,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        warnings=tuple(_warnings(labels, split, boxes_by_class)),
    )


def _warnings(labels: LabelSet, split: Split, boxes: dict[str, tuple[int, int]]) -> list[str]:
    found = []
    unlabelled = [name for name, (train, val) in boxes.items() if not train + val]
    if unlabelled:
        found.append(
            f"No box is labelled {', '.join(unlabelled)}: the model will never find it. "
            "Label it, or remove the class."
        )
    if split.unjudged:
        names = ", ".join(labels.classes[i] for i in split.unjudged)
        found.append(f"Validation holds no {names}: the figures say nothing about it.")
    if split.leakage:
        found.append(
            f"{split.leakage:.0%} of the validation frames lie within {GUARD_S:g} s of a training "
            "frame: the figures flatter the model. Frames further apart, or a longer video, help."
        )
    if len(split.val) < FEW_TO_JUDGE:
        found.append(
            f"Only {len(split.val)} validation frame(s): take the figures as a rough hint."
        )
    return found


def _blocks(samples: Sequence[Sample], val: Sequence[int]) -> tuple[tuple[float, float], ...]:
    starts = [i for i in val if i - 1 not in val]
    ends = [i for i in val if i + 1 not in val]
    return tuple((samples[a].time_s, samples[b].time_s) for a, b in zip(starts, ends, strict=True))


def _place(image: Path, target: Path) -> None:
    """Link a whole JPEG, copy anything else: ultralytics repairs damaged ones in place."""
    try:
        with image.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(-min(size, len(JPEG_END)), os.SEEK_END)
            whole = stream.read() == JPEG_END
    except FileNotFoundError as error:
        raise FrameMissing(f"The frame {image} is missing. Extract the frames again.") from error
    if not size:
        raise FrameMissing(f"The frame {image} is empty. Extract the frames again.")
    if whole:
        try:
            os.link(image, target)
        except OSError:  # another disk, or a file system without links
            pass
        else:
            return
    shutil.copyfile(image, target)


def _swap(part: Path, final: Path) -> None:
    """Folders cannot be replaced at once; killed in between, the step builds again."""
    old = final.with_name("data.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    part.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _write_yaml(dataset: Dataset) -> None:
    content = {
        "train": "data/images/train",
        "val": "data/images/val",
        "names": dict(enumerate(dataset.classes)),
    }
    temporary = dataset.yaml.with_suffix(".part")
    temporary.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    temporary.replace(dataset.yaml)
