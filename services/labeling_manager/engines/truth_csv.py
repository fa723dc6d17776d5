"""Boxes from a csv file of truth, as the simulator and trackers write it.

The header names the columns: ``frame,track,x,y,w,h`` and, where there is one, ``class``; others
(score ...) are passed over. ``x, y`` is the upper left corner; all four are pixels of the video.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import NotFound
from shared.labels.boxes import SMALLEST_SIDE, Box
from shared.labels.errors import LabelInvalid

REQUIRED = ("frame", "x", "y", "w", "h")


@dataclass(frozen=True)
class Truth:
    """What is in each frame; a frame that is not a key has no box in the file."""

    classes: tuple[str, ...]  # the position is the class_id
    boxes: Mapping[int, tuple[Box, ...]]  # by frame index, from 0


def read_truth(
    file: Path, *, width: int, height: int, classes: Sequence[str] | None = None
) -> Truth:
    """The boxes of `file`, as shares of a video of `width` x `height` pixels.

    Boxes are cut at the edges of the image; those that lie outside altogether are left out. The
    class column may hold a name or a number; without one, everything is the first class. Without
    `classes`, the names are taken in the order in which they appear.
    Raises `LabelInvalid` with file and line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            return _parsed(csv.DictReader(stream), file.name, (width, height), classes)
    except FileNotFoundError as error:
        raise NotFound(f"There is no truth file {file}.") from error
    except IsADirectoryError as error:
        raise LabelInvalid(f"{file.name} is a folder, not a csv file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelInvalid(f"{file.name} is not a csv text in UTF-8: {error}.") from error


def _parsed(
    rows: csv.DictReader[str], name: str, size: tuple[int, int], classes: Sequence[str] | None
) -> Truth:
    header = [column.strip().lower() for column in rows.fieldnames or ()]
    rows.fieldnames = header
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise LabelInvalid(
            f"{name} line 1: the header lacks {', '.join(missing)}. "
            "It begins with frame,track,x,y,w,h; class may follow."
        )
    names = _Names(classes)
    boxes: dict[int, list[Box]] = {}
    for row in rows:
        where = f"{name} line {rows.line_num}"
        if any(row[column] is None for column in header):
            raise LabelInvalid(f"{where} is cut off: the header has {len(header)} columns.")
        cells = {column: row[column].strip() for column in header}
        class_id = names.number(cells["class"], where) if "class" in cells else 0
        box = _box(cells, class_id, size, where)
        boxes.setdefault(_frame(cells["frame"], where), []).extend([box] if box else [])
    return Truth(names.known(), {frame: tuple(found) for frame, found in boxes.items()})


def _frame(text: str, where: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise LabelInvalid(f"{where}: the frame is {text!r}, not a whole number from 0.")
    return int(text)


def _box(cells: dict[str, str], class_id: int, size: tuple[int, int], where: str) -> Box | None:
    x, y, w, h = (_number(cells, column, where) for column in ("x", "y", "w", "h"))
    if w <= 0 or h <= 0:
        raise LabelInvalid(f"{where}: the box is {w:g} x {h:g} pixels; both must be above 0.")
    width, height = size
    left, right = max(x, 0.0) / width, min(x + w, width) / width
    top, bottom = max(y, 0.0) / height, min(y + h, height) / height
    if min(right - left, bottom - top) < 2 * SMALLEST_SIDE:
        return None
    return Box(class_id, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _number(cells: dict[str, str], column: str, where: str) -> float:
    try:
        value = float(cells[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LabelInvalid(f"{where}: {column} is {cells[column]!r}, not a number of pixels.")
    return value


class _Names:
    """The classes, given or in the order of appearance; names and numbers do not mix."""

    def __init__(self, given: Sequence[str] | None) -> None:
        self._given = None if given is None else tuple(given)
        self._names: list[str] = []
        self._highest = -1

    def number(self, text: str, where: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else None
        if self._given is not None:
            if text in self._given:
                return self._given.index(text)
            if number is not None and number < len(self._given):
                return number
            raise LabelInvalid(
                f"{where}: class {text!r} is not known. The classes are: {', '.join(self._given)}."
            )
        if number is not None and not self._names:
            self._highest = max(self._highest, number)
            return number
        if not text or number is not None or self._highest >= 0:
            raise LabelInvalid(
                f"{where}: class {text!r} does not fit the lines above. "
                "Write a name in every line, or a number below 1000 in every line."
            )
        if text not in self._names:
            self._names.append(text)
        return self._names.index(text)

    def known(self) -> tuple[str, ...]:
        """Numbers without names become `class_<n>`; one nameless class is an animal."""
        if self._given is not None:
            return self._given
        if self._names:
            return tuple(self._names)
        if self._highest <= 0:
            return ("animal",)
        return tuple(f"class_{number}" for number in range(self._highest + 1))
