"""The labels of all rounds as one list of frames: who labelled a frame last is right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.model_trainer.errors import FrameMissing
from shared.labels.boxes import FrameLabels, LabelSet
from shared.labels.folder import read_frames

NAMED_BY = 12  # digits of a video's sha256 before the names of its frames


@dataclass(frozen=True)
class Source:
    """The labels of one round, and the folder with their images and frames.json."""

    frames: Path
    labels: LabelSet
    video: str = ""  # sha256 of the video; "" where it is unknown, which counts as one video
    round: int = 1


@dataclass(frozen=True)
class LabelledFrame:
    """A frame that somebody looked at."""

    name: str  # of its image in the data set; of one video only, it is that of the file
    image: Path
    video: str
    time_s: float
    round: int  # of its labels
    labels: FrameLabels  # class ids are positions in `Merged.classes`


@dataclass(frozen=True)
class Merged:
    """All frames, video by video (that of the first source first), each in order of time."""

    classes: tuple[str, ...]
    frames: tuple[LabelledFrame, ...]
    unseen: int  # frames that nobody looked at in any round
    sha256: str  # of classes, frames and boxes; of one source it is that of its labels


def merge(sources: Sequence[Source]) -> Merged:
    """Join `sources`, the oldest round first.

    A frame of a video that was looked at twice has the labels of the later source; one that was
    not looked at again keeps those it has. Classes are matched by name, and later sources may add
    some. Raises `FrameMissing` for a label whose frame is not listed.
    """
    classes = tuple(dict.fromkeys(name for source in sources for name in source.labels.classes))
    videos = list(dict.fromkeys(source.video for source in sources))
    seen: dict[tuple[str, int], LabelledFrame] = {}
    listed: set[tuple[str, int]] = set()
    for source in sources:
        times = {entry.frame: entry.time_s for entry in read_frames(source.frames / "frames.json")}
        ids = [classes.index(name) for name in source.labels.classes]
        listed |= {(source.video, frame.frame) for frame in source.labels.frames}
        for frame in source.labels.usable:
            if frame.frame not in times:
                raise FrameMissing(
                    f"Frame {frame.frame} is labelled but not listed in "
                    f"{source.frames / 'frames.json'}. "
                    "Labels and frames are of different extractions: fetch the labels again."
                )
            boxes = tuple(replace(box, class_id=ids[box.class_id]) for box in frame.boxes)
            seen[source.video, frame.frame] = LabelledFrame(
                name=_name(source.video, frame.file, first=videos[0]),
                image=source.frames / frame.file,
                video=source.video,
                time_s=times[frame.frame],
                round=source.round,
                labels=replace(frame, boxes=boxes),
            )
    frames = sorted(seen.values(), key=lambda each: (videos.index(each.video), each.time_s))
    return Merged(classes, tuple(frames), len(listed - seen.keys()), _digest(sources, frames))


def _name(video: str, file: str, *, first: str) -> str:
    """Frames of two videos have the same numbers: all but the first video's say whose they are."""
    return file if video == first else f"{video[:NAMED_BY]}-{file}"


def _digest(sources: Sequence[Source], frames: Sequence[LabelledFrame]) -> str:
    if len(sources) == 1:
        return sources[0].labels.sha256
    classes = tuple(dict.fromkeys(name for source in sources for name in source.labels.classes))
    digest = hashlib.sha256()
    for video in dict.fromkeys(frame.video for frame in frames):
        of_video = tuple(frame.labels for frame in frames if frame.video == video)
        digest.update(f"{video} {LabelSet(classes, of_video).sha256}\n".encode())
    return digest.hexdigest()
