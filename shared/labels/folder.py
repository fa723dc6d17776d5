"""The folder ``labels/{task_id}/``: ``{image}.txt``, ``classes.txt`` and ``labels.json``.

The text files are the truth, so that any labeling tool may write them: a text without a line
says that somebody looked and saw nothing, a text that is absent says that nobody looked.
``labels.json`` repeats state and counts for readers that do not want to open a file a frame; it is
written last, so a folder that has one is whole. ``identities.json`` lies there where boxes came with the animal
that they are of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from shared.labels.boxes import FrameLabels, FrameState, LabelSet, checked_box
from shared.labels.errors import LabelInvalid
from shared.labels.identities import Known, identified, keep_identities, read_identities
from shared.labels.yolo import parse_yolo, write_yolo

CLASSES = "classes.txt"
SUMMARY = "labels.json"
# texts that labeling tools leave beside the labels
NOT_LABELS = frozenset({CLASSES, "notes.txt", "predefined_classes.txt", "train.txt", "val.txt"})
MAX_TEXT_BYTES = 1_000_000  # some 20 000 boxes; more is not the label of one frame


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """One extracted frame as ``frames.json`` lists it."""

    frame: int  # index in the video, from 0
    file: str  # name of the image beside frames.json
    time_s: float  # presentation time, from the start of the video


def read_frames(frames_json: Path) -> tuple[FrameEntry, ...]:
    """The frames that were extracted, in the order of the video. Raises `LabelInvalid`."""
    content = _json(frames_json)
    rows: Any = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise LabelInvalid(f"{frames_json} has no list `frames`. Extract the frames again.")
    fps = content.get("fps") if isinstance(content, dict) else None
    entries = sorted((_entry(row, fps, frames_json) for row in rows), key=lambda e: e.frame)
    for key in ("frame", "stem"):
        seen: set[object] = set()
        for entry in entries:
            value = entry.frame if key == "frame" else label_name(entry.file)
            if value in seen:
                raise LabelInvalid(f"{frames_json} lists {value} twice. Extract the frames again.")
            seen.add(value)
    return tuple(entries)


def label_name(image: str) -> str:
    """The text beside an image: 00000012.jpg -> 00000012.txt."""
    return PurePosixPath(image).stem + ".txt"


def read_classes(file: Path) -> tuple[str, ...]:
    """The class names, one a line; the line is the class number. Raises `LabelInvalid`."""
    if not file.is_file():
        raise LabelInvalid(f"{file} is missing. Write the class names into it, one a line.")
    return checked_classes(_text(file).removeprefix("\ufeff").splitlines(), where=str(file))


def checked_classes(names: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Class names without blanks at the ends: at least one, none twice, none empty."""
    classes = [name.strip() for name in names]
    while classes and not classes[-1]:
        classes.pop()
    if not classes:
        raise LabelInvalid(f"{where} names no class. Write one class name a line.")
    for number, name in enumerate(classes, start=1):
        if not name or not name.isprintable():
            raise LabelInvalid(f"{where} line {number}: a class needs a readable name.")
        if name in classes[: number - 1]:
            raise LabelInvalid(f"{where} line {number}: {name} is there twice. Remove one.")
    return tuple(classes)


def read_label_folder(
    folder: Path, frames_json: Path, *, classes: Sequence[str] | None = None
) -> LabelSet:
    """The labels of all frames that `frames_json` lists; ``classes.txt`` unless `classes` given.

    Raises `LabelInvalid`, also for a text that belongs to no frame: it is a misnamed label more
    often than not, and ignoring it would lose somebody's work without a word.
    """
    if not folder.is_dir():
        raise LabelInvalid(f"There is no label folder {folder}. Finish labeling first.")
    names = (
        read_classes(folder / CLASSES)
        if classes is None
        else checked_classes(classes, where="The task")
    )
    entries = read_frames(frames_json)
    expected = {label_name(entry.file) for entry in entries}
    for text in sorted(folder.glob("*.txt")):
        if text.name not in expected and text.name.lower() not in NOT_LABELS:
            raise LabelInvalid(
                f"{text} belongs to no frame of {frames_json.name}. "
                "Give it the name of its image, or remove it."
            )
    known = read_identities(folder)
    return LabelSet(names, tuple(_read_frame(folder, entry, names, known) for entry in entries))


def write_label_folder(folder: Path, labels: LabelSet) -> None:
    """Write `labels` so that `read_label_folder` returns them; safe to run again after a kill.

    Texts of frames that are unseen now are removed. Raises `LabelInvalid` before anything is
    written when a box or a class name is not usable.
    """
    checked_classes(labels.classes, where="The task")
    labels = replace(labels, frames=tuple(_checked(f, labels.classes) for f in labels.frames))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).unlink(missing_ok=True)
    _write(folder / CLASSES, "".join(f"{name}\n" for name in labels.classes))
    for frame in labels.frames:
        text = folder / label_name(frame.file)
        if frame.state is FrameState.UNSEEN:
            text.unlink(missing_ok=True)
        else:
            _write(text, write_yolo(frame.boxes))
    keep_identities(folder, labels.frames)
    known = read_identities(folder)
    labels = replace(labels, frames=tuple(identified(frame, known) for frame in labels.frames))
    _write(folder / SUMMARY, json.dumps(_summary(labels), indent=1) + "\n")


def _read_frame(
    folder: Path, entry: FrameEntry, classes: tuple[str, ...], known: Known
) -> FrameLabels:
    text = folder / label_name(entry.file)
    if not text.is_file():
        return FrameLabels(entry.frame, entry.file, FrameState.UNSEEN)
    boxes = parse_yolo(_text(text), classes, where=str(text))
    return identified(FrameLabels.seen(entry.frame, entry.file, boxes), known)


def _checked(frame: FrameLabels, classes: tuple[str, ...]) -> FrameLabels:
    where = f"Frame {frame.frame} ({frame.file})"
    if frame.boxes and frame.state is not FrameState.LABELLED:
        raise LabelInvalid(f"{where} is {frame.state} but has boxes. Mark it as labelled.")
    if frame.state is FrameState.LABELLED and not frame.boxes:
        raise LabelInvalid(f"{where} is labelled but has no box. Mark it as empty.")
    return replace(
        frame, boxes=tuple(checked_box(box, classes, where=where) for box in frame.boxes)
    )


def _summary(labels: LabelSet) -> dict[str, Any]:
    return {
        "classes": list(labels.classes),
        "sha256": labels.sha256,
        "states": {state.value: labels.count(state) for state in FrameState},
        "frames": [
            {"frame": f.frame, "file": f.file, "state": f.state.value, "boxes": len(f.boxes)}
            for f in labels.frames
        ],
    }


def _entry(row: Any, fps: Any, where: Path) -> FrameEntry:
    try:
        frame, file = int(row["frame"]), str(row["file"])
        time_s = float(row["time_s"] if "time_s" in row else frame / fps)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise LabelInvalid(
            f"{where}: {row!r} is not a frame (frame, file, time_s). Extract the frames again."
        ) from error
    if file != PurePosixPath(file).name or file in {"", ".", ".."} or "\\" in file:
        raise LabelInvalid(f"{where}: {file!r} is not a plain file name. Extract the frames again.")
    return FrameEntry(frame, file, time_s)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LabelInvalid(f"{file} is missing. Extract the frames first.") from error
    except ValueError as error:
        raise LabelInvalid(
            f"{file} is not valid JSON ({error}). Extract the frames again."
        ) from error


def _text(file: Path) -> str:
    with file.open("rb") as stream:
        content = stream.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise LabelInvalid(f"{file} is over {MAX_TEXT_BYTES} bytes; that is no label. Remove it.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabelInvalid(f"{file} is not a UTF-8 text. Export YOLO text files again.") from error


def _write(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
