"""YOLO text: a line per box, ``class cx cy w h``, shares of the image's width and height."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.labels.boxes import Box, checked_box
from shared.labels.errors import LabelInvalid

COLUMNS = 5
WHOLE = re.compile(r"[0-9]{1,9}")
# float() alone would also take 1_0 and digits of other scripts; nan and inf are named by the check
NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf)", re.IGNORECASE
)


def parse_yolo(text: str, classes: Sequence[str], *, where: str) -> list[Box]:
    """The boxes of one frame; an empty text means that the frame is confirmed empty.

    Strict, because a wrong label teaches a model something wrong without a word. `where` names
    the file in the sentences. The same box twice (a double click) counts once.
    Raises `LabelInvalid`.
    """
    names = tuple(classes)
    boxes: dict[Box, None] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        columns = line.split()
        if columns:
            line_of = f"{where} line {number}"
            boxes[checked_box(_box(columns, line_of), names, where=line_of)] = None
    return list(boxes)


def write_yolo(boxes: Sequence[Box]) -> str:
    """The text of one frame; six decimals keep a hundredth of a pixel at 8K."""
    return "".join(f"{b.class_id} {b.cx:.6f} {b.cy:.6f} {b.w:.6f} {b.h:.6f}\n" for b in boxes)


def _box(columns: list[str], where: str) -> Box:
    if len(columns) != COLUMNS:
        hint = "Write: class cx cy width height."
        if len(columns) == COLUMNS + 1:
            hint = "The sixth looks like the confidence of a prediction: remove it."
        elif len(columns) > COLUMNS + 1:
            hint = "It looks like a polygon or keypoints: export bounding boxes instead."
        raise LabelInvalid(f"{where}: {len(columns)} columns, expected {COLUMNS}. {hint}")
    class_text, *numbers = columns
    if not WHOLE.fullmatch(class_text):
        raise LabelInvalid(
            f"{where}: {_short(class_text)} is not a class number. "
            "The first column is the class's line in classes.txt, counted from 0."
        )
    for value in numbers:
        if not NUMBER.fullmatch(value):
            raise LabelInvalid(
                f"{where}: {_short(value)} is not a number. Write shares of the image, like 0.25."
            )
    return Box(int(class_text), *map(float, numbers))


def _short(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:40] + "...")
