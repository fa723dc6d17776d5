"""The data set of one training, on disk as ultralytics reads it.

    work/data.yaml                      train, val and names; paths relative to itself, so movable
    work/data/images/{train,val}/       the frames, linked where the disk allows, else copied
    work/data/labels/{train,val}/       YOLO text; an empty one is a confirmed empty frame
    work/data/train_test_split.txt      a line per labelled frame: `train|val|dropped image time_s`
    work/data/dataset.json              everything `Dataset` says, to load it in another process
    work/data/frozen.json               which frames judge, in this round and all that follow

Frames that nobody looked at are in none of them: an animal in one would teach "background".
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from services.model_trainer.engines.dataset_files import place, swap
from services.model_trainer.engines.frozen import (
    FILE,
    Frozen,
    freeze,
    read_frozen,
    split_by_frozen,
    split_first,
    still_judges,
    with_videos,
)
from services.model_trainer.engines.merge import LabelledFrame, Merged, Source, merge
from services.model_trainer.engines.split import GUARD_S, Guard, Split
from services.model_trainer.errors import (
    ClassNotInTraining,
    DatasetTooSmall,
    NothingLabelled,
)
from shared.errors import NotFound
from shared.events.settings import TrainingSettings
from shared.labels.boxes import FrameState, LabelSet
from shared.labels.folder import label_name
from shared.labels.yolo import write_yolo
from shared.progress.report import Report, silent

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
    round: int = 1
    images_by_round: dict[str, int] = field(default_factory=dict)  # taught, by round of the labels
    val_blocks: tuple[int, ...] = ()  # of each validation frame: the block of time it belongs to
    val_videos: tuple[str, ...] = ()  # of each validation frame: the sha256 of its video

    @property
    def yaml(self) -> Path:
        """The file that training and evaluation read."""
        return self.work / "data.yaml"

    @property
    def frozen(self) -> Frozen:
        """The frames that judge, with video, time and block."""
        return read_frozen(self.work / "data" / FILE)

    @property
    def leak(self) -> str:
        """Why no model of this data set may be promoted; empty when none leaks."""
        if not self.leakage:
            return ""
        return (
            f"{self.leakage:.0%} of the validation frames lie within {GUARD_S:g} s of a training "
            "frame, so the figures flatter the model: nothing can be promoted by them."
        )

    @property
    def summary(self) -> str:
        """Two or three lines for the log and the console, leakage first among the figures."""
        blocks = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in self.val_blocks_s)
        head = (
            f"round {self.round}: {len(self.train)} training and {len(self.val)} validation frames "
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
    video: str = "",
    number: int = 1,
    earlier: Sequence[Source] = (),
    frozen: Frozen | None = None,
    freeze_videos: Sequence[str] = (),
    report: Report = silent,
) -> Dataset:
    """Build the data set of `labels` under `work` from the images and frames.json in `frames`.

    In round `number` > 1 the labels of the rounds before come by `earlier`, the oldest first, and
    the frames that judge by `frozen`; frames of this round within `GUARD_S` of one are dropped.
    A round one that runs again gets by `frozen` what it froze before, and keeps it while it can.
    Every frame of `freeze_videos` judges too, from this round on. `video` is the sha256 of the
    video of this round.

    May be called again: it builds aside and swaps, and the same input gives the same data set.
    Raises `NothingLabelled`, `DatasetTooSmall`, `ClassNotInTraining`, `FrameMissing`,
    `FrozenVideoTaught`, `LabelInvalid`.
    """
    if not earlier:
        _check_enough(labels, settings)
    merged = merge([*earlier, Source(frames, labels, video, number)])
    looked_at = merged.frames
    if frozen and not earlier and not still_judges(looked_at, frozen):
        frozen = None
    if frozen is None:
        split = split_first(
            looked_at, val_share=settings.val_share, seed=settings.seed, guard=guard
        )
    else:
        frozen = with_videos(frozen, looked_at, freeze_videos, number)
        split = split_by_frozen(looked_at, frozen)
    judged = any(looked_at[i].labels.boxes for i in split.val)
    if split.unteachable or not judged or not split.train:
        wrong = split.unteachable or range(len(merged.classes))
        raise ClassNotInTraining([merged.classes[i] for i in wrong])
    lines = _split_lines(looked_at, split)
    judges = freeze(looked_at, split, frozen)
    dataset = _describe(work, merged, split, judges, lines=lines, number=number)
    part = work / "data.part"
    shutil.rmtree(part, ignore_errors=True)
    placed = 0
    for name, positions in (("train", split.train), ("val", split.val)):
        for kind in ("images", "labels"):
            (part / kind / name).mkdir(parents=True)
        for i in positions:
            frame = looked_at[i]
            place(frame.image, part / "images" / name / frame.name)
            text = part / "labels" / name / label_name(frame.name)
            text.write_text(write_yolo(frame.labels.boxes), encoding="utf-8")
            placed += 1
            report(placed / (len(split.train) + len(split.val)), "building the data set")
    (part / "train_test_split.txt").write_text(SPLIT_HEADER + "".join(lines), encoding="utf-8")
    content = {key: value for key, value in asdict(dataset).items() if key != "work"}
    (part / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    judges.write(part / FILE)
    swap(part, work / "data")
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


def _split_lines(frames: Sequence[LabelledFrame], split: Split) -> list[str]:
    where = {**dict.fromkeys(split.train, "train"), **dict.fromkeys(split.val, "val")}
    lines = []
    for i, frame in enumerate(frames):
        name = where.get(i, "dropped")
        image = frame.name if name == "dropped" else f"images/{name}/{frame.name}"
        lines.append(f"{name} {image} {frame.time_s:.3f}\n")
    return lines


def _describe(
    work: Path, merged: Merged, split: Split, judges: Frozen, *, lines: list[str], number: int
) -> Dataset:
    frames = merged.frames

    def names(positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(frames[i].name for i in positions)

    def boxes(positions: Sequence[int], class_id: int) -> int:
        return sum(box.class_id == class_id for i in positions for box in frames[i].labels.boxes)

    boxes_by_class = {
        name: (boxes(split.train, i), boxes(split.val, i)) for i, name in enumerate(merged.classes)
    }
    content = "".join([*lines, *merged.classes, merged.sha256])
    by_round = Counter(str(frames[i].round) for i in split.train)
    return Dataset(
        work=work,
        classes=merged.classes,
        train=names(split.train),
        val=names(split.val),
        dropped=names(split.dropped),
        unseen=merged.unseen,
        backgrounds=sum(not frames[i].labels.boxes for i in (*split.train, *split.val)),
        boxes=boxes_by_class,
        val_blocks_s=_blocks(frames, split.val),
        leakage=split.leakage,
        labels_sha256=merged.sha256,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        warnings=tuple(_warnings(merged.classes, split, boxes_by_class)),
        round=number,
        images_by_round=dict(sorted(by_round.items())),
        val_blocks=tuple(judges.blocks[frames[i].video, frames[i].labels.frame] for i in split.val),
        val_videos=tuple(frames[i].video for i in split.val),
    )


def _warnings(classes: Sequence[str], split: Split, boxes: dict[str, tuple[int, int]]) -> list[str]:
    found = []
    unlabelled = [name for name, (train, val) in boxes.items() if not train + val]
    if unlabelled:
        found.append(
            f"No box is labelled {', '.join(unlabelled)}: the model will never find it. "
            "Label it, or remove the class."
        )
    if split.unjudged:
        names = ", ".join(classes[i] for i in split.unjudged)
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


def _blocks(frames: Sequence[LabelledFrame], val: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """First and last second of each stretch of neighbours that judge, of one video each."""
    stretches: list[list[int]] = []
    for i in val:
        last = stretches[-1][-1] if stretches else None
        if last is not None and i == last + 1 and frames[i].video == frames[last].video:
            stretches[-1].append(i)
        else:
            stretches.append([i])
    return tuple((frames[each[0]].time_s, frames[each[-1]].time_s) for each in stretches)


def _write_yaml(dataset: Dataset) -> None:
    content = {
        "train": "data/images/train",
        "val": "data/images/val",
        "names": dict(enumerate(dataset.classes)),
    }
    temporary = dataset.yaml.with_suffix(".part")
    temporary.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    temporary.replace(dataset.yaml)
