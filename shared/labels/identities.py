"""Which animal a box is of, where somebody has said so: ``labels/{task_id}/identities.json``.

YOLO text has no place for identities, and labeling tools give only the boxes back. So the boxes that
came with one are kept beside the texts; a label of the same frame that lies on one of them is of the
same animal, also after somebody has moved it or corrected its class.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.labels.boxes import Box, FrameLabels, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.overlap import SAME_IOU, intersection_over_union

IDENTITIES = "identities.json"
MAX_IDENTITY = 2**53  # what every reader of JSON keeps exactly
Known = Mapping[str, Sequence[Box]]
"""Name of a frame's image -> the boxes of it whose identity is known."""


def identity_of(said: Any) -> int | None:
    """The identity that a file names; None for what is no number from 0, as tools write `none`."""
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 16:
        said = int(said)
    whole = isinstance(said, int) and not isinstance(said, bool)
    return said if whole and 0 <= said < MAX_IDENTITY else None


def read_identities(folder: Path) -> dict[str, tuple[Box, ...]]:
    """What is known of the labels in `folder`; nothing where there is no file.

    Raises `LabelInvalid` for a file that somebody has damaged.
    """
    file = folder / IDENTITIES
    if not file.is_file():
        return {}
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(name): tuple(
                Box(int(class_id), *map(float, numbers), identity=int(identity))
                for identity, class_id, *numbers in found
            )
            for name, found in rows.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise LabelInvalid(
            f"{file} is damaged ({error}). Remove it, or import the labels with identities again."
        ) from error


def keep_identities(folder: Path, frames: Iterable[FrameLabels]) -> bool:
    """Note the boxes of `frames` that have an identity, and say whether that is news.

    Other frames keep what is known of them.
    """
    known = read_identities(folder)
    noted = {
        frame.file: tuple(box for box in frame.boxes if box.identity is not None)
        for frame in frames
    }
    merged = known | {name: boxes for name, boxes in noted.items() if boxes}
    if merged == known:
        return False
    rows = {
        name: [
            [box.identity, box.class_id, *(round(n, 6) for n in (box.cx, box.cy, box.w, box.h))]
            for box in boxes
        ]
        for name, boxes in sorted(merged.items())
    }
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{IDENTITIES}.{os.getpid()}.part"
    part.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    part.replace(folder / IDENTITIES)
    return True


def identified(frame: FrameLabels, known: Known) -> FrameLabels:
    """`frame` with the identities of the known boxes that its boxes lie on, the best overlap first.

    Each identity goes to one box at most; a box that has one keeps it.
    """
    taken = {box.identity for box in frame.boxes}
    left = [box for box in known.get(frame.file, ()) if box.identity not in taken]
    if not left or frame.state is not FrameState.LABELLED:
        return frame
    boxes = list(frame.boxes)
    pairs = sorted(
        (
            (overlap, i, j)
            for i, box in enumerate(boxes)
            if box.identity is None
            for j, other in enumerate(left)
            if (overlap := intersection_over_union(box, other)) >= SAME_IOU
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    used: set[int] = set()
    for _, i, j in pairs:
        if boxes[i].identity is None and j not in used:
            boxes[i] = replace(boxes[i], identity=left[j].identity)
            used.add(j)
    return replace(frame, boxes=tuple(boxes))
