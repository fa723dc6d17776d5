"""What people have dropped into the folder of a labeling, judged file by file.

Nothing here remembers anything: the same folder gives the same answer in every process. Texts are
taken from the folder itself, from ``labels/``, and from beside the images, where many tools save
them; the newest one of a frame counts.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from services.labeling_manager.engines.record import PushedFrame, Record
from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.labels.errors import LabelInvalid
from shared.labels.folder import CLASSES, MAX_TEXT_BYTES, NOT_LABELS, label_name, read_classes
from shared.labels.yolo import parse_yolo

PLACES = (".", "labels", "images")
README = "README.txt"
SKIPPED = "skipped.txt"
DONE = ("done", "done.txt")  # in any spelling: some systems hide the ending
OURS = NOT_LABELS | {README.lower(), SKIPPED, *DONE}
OTHER_FORMATS = (".xml", ".json")  # Pascal VOC, labelme
MAX_PROBLEMS = 20  # sentences in a status; more help nobody


@dataclass(frozen=True)
class Dropped:
    """The labels by now, and what stands in the way of being complete."""

    labels: LabelSet
    skipped: int
    unsettled: int  # files so young that somebody may still be writing them
    finished: bool  # a person said so with the file DONE
    problems: tuple[str, ...]
    label_times: tuple[float, ...]  # when each final label appeared, seconds since the epoch

    @property
    def done(self) -> int:
        """Frames with a final label."""
        return len(self.labels.usable)

    @property
    def complete(self) -> bool:
        """Every frame is decided; or a person said DONE and nothing of theirs would be lost."""
        total = len(self.labels.frames)
        if not total or self.unsettled:
            return False
        return self.done + self.skipped == total or (self.finished and not self.problems)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text file and its age."""

    path: Path
    place: str
    appeared: float  # seconds since the epoch
    key: tuple[int, int, int]  # changes with every write

    def settled(self, now: float, settle_s: float) -> bool:
        """Nobody wrote it lately. A time in the far future is a wrong clock, not a fresh file."""
        return abs(now - self.appeared) >= settle_s


def look(work: Path, record: Record, *, settle_s: float) -> Dropped:
    """Read the folder. An unreadable or foreign file becomes a problem, never an exception."""
    now = time.time()
    by_name = {label_name(frame.file): frame for frame in record.frames}
    problems: list[str] = []
    bad_places = {place for place in PLACES if _other_classes(work, place, record, problems)}
    newest: dict[str, _Text] = {}
    unsettled = 0
    for text in _texts(work):
        if text.path.name not in by_name:
            problems.append(
                f"{_shown(text.path, work)} belongs to no frame. Give it the name of its image "
                f"(like {next(iter(by_name), '00000000.txt')}), or remove it."
            )
        elif text.place not in bad_places:
            known = newest.get(text.path.name)
            if known is None or text.appeared >= known.appeared:
                newest[text.path.name] = text
    skipped, skip_unsettled = _skipped(work, record, now, settle_s, problems)
    frames, times = [], []
    for name, frame in by_name.items():
        label = FrameLabels(frame.frame, frame.file, FrameState.UNSEEN)
        found = None if frame.frame in skipped else newest.get(name)
        if found is not None and not found.settled(now, settle_s):
            unsettled += 1
        elif found is not None:
            boxes = _boxes(found, record.spec.classes, work, problems)
            if boxes is not None:
                label = FrameLabels.seen(frame.frame, frame.file, boxes)
                times.append(found.appeared)
        frames.append(label)
    _other_formats(work, by_name, newest, skipped, problems)
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [f"... and {len(problems) - MAX_PROBLEMS} more problems."]
    return Dropped(
        labels=LabelSet(record.spec.classes, tuple(frames)),
        skipped=len(skipped),
        unsettled=unsettled + skip_unsettled,
        finished=any(path.name.lower() in DONE for path in _files(work, PLACES[:2])),
        problems=tuple(problems),
        label_times=tuple(sorted(times)),
    )


def _files(work: Path, places: tuple[str, ...]) -> Iterator[Path]:
    for place in places:
        folder = work / place
        if folder.is_dir():
            # by name: comparing paths of thousands of frames is slow
            yield from sorted(folder.iterdir(), key=lambda path: path.name)


def _texts(work: Path) -> Iterator[_Text]:
    for place in PLACES:
        for path in _files(work, (place,)):
            name = path.name
            if name.startswith(".") or path.suffix.lower() != ".txt" or name.lower() in OURS:
                continue
            text = _stat(path, place)
            if text is not None:
                yield text


def _stat(path: Path, place: str) -> _Text | None:
    """None for what is no file, or was removed while we look; links are not followed."""
    try:
        status = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    # a copy may keep an old modification time; the change of the inode tells when it came
    appeared = max(status.st_mtime, status.st_ctime)
    return _Text(path, place, appeared, (status.st_mtime_ns, status.st_ctime_ns, status.st_size))


def _boxes(
    text: _Text, classes: tuple[str, ...], work: Path, problems: list[str]
) -> tuple[Box, ...] | None:
    found = _parsed(text.path, text.key, classes, _shown(text.path, work))
    if isinstance(found, str):
        problems.append(found)
        return None
    return found


@lru_cache(maxsize=20_000)
def _parsed(
    path: Path, key: tuple[int, int, int], classes: tuple[str, ...], shown: str
) -> tuple[Box, ...] | str:
    """The boxes, or the sentence why there are none; kept, because it is asked every few seconds."""
    del key
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
        if len(content) > MAX_TEXT_BYTES:
            return f"{shown} is over {MAX_TEXT_BYTES} bytes; that is no label. Remove it."
        return tuple(parse_yolo(content.decode("utf-8"), classes, where=shown))
    except LabelInvalid as error:
        return str(error)
    except UnicodeDecodeError:
        return f"{shown} is not a UTF-8 text. Export YOLO text files again."
    except OSError as error:
        return f"{shown} cannot be read: {error.strerror}. Allow everybody to read it."


def _other_classes(work: Path, place: str, record: Record, problems: list[str]) -> bool:
    """Whether a tool saved a class list there in which our numbers mean other classes."""
    file = work / place / CLASSES
    if not file.is_file():
        return False
    shown = _shown(file, work)
    try:
        found = read_classes(file)
    except (LabelInvalid, OSError) as error:
        problems.append(str(error).replace(str(file), shown))
        return True
    ours = record.spec.classes
    if found[: len(ours)] == ours:
        return False
    problems.append(
        f"{shown} lists the classes {', '.join(found)}, but the task has {', '.join(ours)}: the "
        "numbers in the label files beside it would mean other classes. Put the task's classes "
        "into it, in this order, and save the labels again."
    )
    return True


def _skipped(
    work: Path, record: Record, now: float, settle_s: float, problems: list[str]
) -> tuple[frozenset[int], int]:
    """The frames in skipped.txt, and 1 when that file is too young to be read."""
    by_stem = {Path(frame.file).stem: frame for frame in record.frames}
    by_number = {str(frame.frame): frame for frame in record.frames}
    skipped: set[int] = set()
    unsettled = 0
    for place in PLACES:
        text = _stat(work / place / SKIPPED, place)
        if text is None:
            continue
        if not text.settled(now, settle_s):
            unsettled = 1
            continue
        try:
            lines = text.path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            problems.append(f"{_shown(text.path, work)} cannot be read as a UTF-8 text.")
            continue
        for number, line in enumerate(lines, start=1):
            name = line.partition("#")[0].strip()
            frame = by_stem.get(name) or by_stem.get(Path(name).stem) or by_number.get(name)
            if frame is not None:
                skipped.add(frame.frame)
            elif name:
                problems.append(
                    f"{_shown(text.path, work)} line {number}: there is no frame {name[:40]!r}. "
                    "Write the name of an image, or its number."
                )
    return frozenset(skipped), unsettled


def _other_formats(
    work: Path,
    by_name: dict[str, PushedFrame],
    newest: dict[str, _Text],
    skipped: frozenset[int],
    problems: list[str],
) -> None:
    """Work that a person saved in a format that we do not read would be lost without a word."""
    lost = [
        _shown(path, work)
        for path in _files(work, PLACES)
        if path.suffix.lower() in OTHER_FORMATS
        and (frame := by_name.get(f"{path.stem}.txt")) is not None
        and frame.frame not in skipped
        and f"{path.stem}.txt" not in newest
    ]
    if lost:
        problems.append(
            f"{lost[0]} is not a YOLO text ({len(lost)} such files). "
            "Export the labels as YOLO text files into this folder, or remove them."
        )


def _shown(path: Path, work: Path) -> str:
    return path.relative_to(work).as_posix()
