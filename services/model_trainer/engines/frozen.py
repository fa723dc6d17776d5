"""The validation set of all rounds: frames chosen in round one that no model may ever be taught.

``train_log/{root}/frozen.json`` lists them. Later rounds may add whole videos, and nothing else: a
set that changed with the labels would compare two models by two different yardsticks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from services.model_trainer.engines.merge import LabelledFrame, Source, merge
from services.model_trainer.engines.split import GUARD_S, Sample, Split, leakage, split_by_time
from services.model_trainer.errors import FrozenVideoTaught
from shared.errors import NotFound

FILE = "frozen.json"


@dataclass(frozen=True)
class FrozenFrame:
    """One frame that judges."""

    video: str  # its sha256, "" where it is unknown
    frame: int  # index in the video
    time_s: float
    block: int  # of neighbours in time; blocks are what a bootstrap draws


@dataclass(frozen=True)
class Frozen:
    """All frames that judge, block after block."""

    frames: tuple[FrozenFrame, ...]
    videos: tuple[str, ...] = ()  # of which every frame judges, those of later rounds too
    taught_near: bool = (
        False  # round one was too short for the guard time, and taught close to these
    )

    @property
    def blocks(self) -> dict[tuple[str, int], int]:
        """(video, frame) -> block."""
        return {(each.video, each.frame): each.block for each in self.frames}

    def write(self, file: Path) -> None:
        """Write to `file`, at once or not at all."""
        part = file.with_name(f".{file.name}.part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        part.replace(file)


def read_frozen(file: Path) -> Frozen:
    """What `Frozen.write` left. Raises `NotFound`."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"There is no frozen validation set at {file}. Build round one.") from error
    frames = tuple(FrozenFrame(**row) for row in content["frames"])
    return Frozen(frames, tuple(content["videos"]), bool(content.get("taught_near", False)))


def freeze(frames: Sequence[LabelledFrame], split: Split, frozen: Frozen | None = None) -> Frozen:
    """The frames that `split` judges by; those of `frozen` keep their block.

    A new block begins where the video changes or a frame between two judges is not one of them.
    """
    known = frozen.blocks if frozen else {}
    judges = []
    block, before = max(known.values(), default=-1), -2
    for i in split.val:
        frame = frames[i]
        key = (frame.video, frame.labels.frame)
        if key not in known:
            if i != before + 1 or frame.video != frames[before].video:
                block += 1
            before = i
        judges.append(FrozenFrame(*key, frame.time_s, known.get(key, block)))
    gone = {(each.video, each.frame) for each in judges}
    kept = [
        each for each in (frozen.frames if frozen else ()) if (each.video, each.frame) not in gone
    ]
    ordered = sorted([*judges, *kept], key=lambda each: (each.block, each.time_s))
    if frozen is None:
        return Frozen(tuple(ordered), taught_near=split.leakage > 0)
    return replace(frozen, frames=tuple(ordered))


def first_frozen(source: Source, *, val_share: float, seed: int) -> Frozen:
    """What round one would freeze of its labels `source`."""
    frames = merge([source]).frames
    return freeze(frames, split_first(frames, val_share=val_share, seed=seed))


def with_videos(
    frozen: Frozen, frames: Sequence[LabelledFrame], videos: Sequence[str], number: int
) -> Frozen:
    """`frozen` with whole `videos`, which first appear in round `number`.

    Raises `FrozenVideoTaught` for a video that an earlier round may have taught from.
    """
    new = tuple(video for video in dict.fromkeys(videos) if video not in frozen.videos)
    for video in new:
        if any(frame.video == video and frame.round < number for frame in frames):
            raise FrozenVideoTaught(video)
    return replace(frozen, videos=(*frozen.videos, *new))


def split_by_frozen(frames: Sequence[LabelledFrame], frozen: Frozen) -> Split:
    """`frames` cut as `frozen` says; those close to a judge are dropped, whatever their round.

    But what round one took in spite of the guard time, because the video was short, has been taught:
    it stays, and the leakage figure has to say so.
    """
    blocks, whole = frozen.blocks, set(frozen.videos)
    keys = [(frame.video, frame.labels.frame) for frame in frames]
    val = [i for i, key in enumerate(keys) if key in blocks or key[0] in whole]
    judged = set(val)
    dropped, train = [], []
    for i, frame in enumerate(frames):
        if i in judged:
            continue
        near = any(
            each.video == frame.video and abs(each.time_s - frame.time_s) <= GUARD_S + 1e-6
            for each in frozen.frames
        )
        taught = frozen.taught_near and frame.round == 1
        (dropped if near and not taught else train).append(i)
    return _checked(frames, train, val, dropped)


def still_judges(frames: Sequence[LabelledFrame], frozen: Frozen) -> bool:
    """Whether `frozen` can go on judging the labels of a round one that runs again.

    It can as long as a labelled frame of it holds a box and there are frames to teach. Otherwise
    the frames were extracted anew, and nothing is left that could be compared with what was before.
    """
    split = split_by_frozen(frames, frozen)
    return bool(split.train) and any(frames[i].labels.boxes for i in split.val)


def split_first(
    frames: Sequence[LabelledFrame], *, val_share: float, seed: int, guard: str = "auto"
) -> Split:
    """Cut the frames of round one, each video by itself."""
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for video in dict.fromkeys(frame.video for frame in frames):
        positions = [i for i, frame in enumerate(frames) if frame.video == video]
        if len(positions) == 1:  # cannot be cut
            parts[0].extend(positions)
            continue
        split = split_by_time(
            [_sample(frames[i]) for i in positions],
            val_share=val_share,
            seed=seed,
            guard=guard,  # type: ignore[arg-type]  # one of its three words
        )
        for part, chosen in zip(parts, (split.train, split.val, split.dropped), strict=True):
            part.extend(positions[i] for i in chosen)
    return _checked(frames, *parts)


def leakage_of(frames: Sequence[LabelledFrame], train: Sequence[int], val: Sequence[int]) -> float:
    """Share (0..1) of the frames in `val` with one of `train` close by in the same video."""
    leaking = 0.0
    for video in {frames[i].video for i in val}:
        judges = [frames[i].time_s for i in val if frames[i].video == video]
        taught = [frames[i].time_s for i in train if frames[i].video == video]
        leaking += leakage(taught, judges) * len(judges)
    return leaking / len(val) if val else 0.0


def _sample(frame: LabelledFrame) -> Sample:
    return Sample(frame.time_s, frozenset(box.class_id for box in frame.labels.boxes))


def _checked(
    frames: Sequence[LabelledFrame], train: list[int], val: list[int], dropped: list[int]
) -> Split:
    def classes(positions: Sequence[int]) -> set[int]:
        return {box.class_id for i in positions for box in frames[i].labels.boxes}

    present = classes(range(len(frames)))
    return Split(
        train=tuple(train),
        val=tuple(val),
        dropped=tuple(dropped),
        leakage=leakage_of(frames, train, val),
        unteachable=tuple(sorted(present - classes(train))),
        unjudged=tuple(sorted(present - classes(val))),
    )
