"""CVAT for video 1.1: one track an animal, with a box in each frame of the video that it is seen in.

Frames have numbers and no names: they are named as the frames of a task are, by eight digits. A frame
without a box is not in the file, so nobody knows whether somebody looked at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.formats.archive import number
from shared.labels.formats.dataset import Picture, checked_size, class_number, pixel_box
from shared.labels.identities import identity_of

EDGES = ("xtl", "ytl", "xbr", "ybr")
MAX_FRAME_DIGITS = 12


def pictures_of(root: Element, classes: Sequence[str], where: str) -> list[Picture]:
    """A picture for each frame that has a box, in the order of the video. Raises `LabelInvalid`."""
    _see_every_frame(root, where)
    told = root.find("meta//original_size")
    if told is None:
        raise LabelInvalid(
            f"{where} has tracks but not the size of the video. Export as 'CVAT for video 1.1'."
        )
    size = checked_size(told.findtext("width"), told.findtext("height"), where)
    boxes: dict[int, list[Box]] = {}
    for track in root.iterfind("track"):
        line = f"{where}: track {track.get('id', '')[:20]}"
        if any(shape.tag != "box" for shape in track):
            raise LabelInvalid(f"{line} has shapes that are no boxes. Export boxes only.")
        class_id = class_number((track.get("label") or "").strip(), classes, line)
        identity = identity_of(track.get("id"))
        for drawn in track.iterfind("box"):
            if drawn.get("outside") != "1":
                frame = _frame(drawn, line)
                box = _box(drawn, class_id, size, classes, f"{line}, frame {frame}", identity)
                boxes.setdefault(frame, []).append(box)
    return [
        Picture(
            f"{frame:08d}.jpg",
            FrameState.LABELLED,
            tuple(found),
            frame=frame,
            width=size[0],
            height=size[1],
        )
        for frame, found in sorted(boxes.items())
    ]


def _see_every_frame(root: Element, where: str) -> None:
    """The numbers must be those of the video."""
    start = (root.findtext("meta//start_frame") or "0").strip()
    step = (root.findtext("meta//frame_filter") or "").strip()
    if start != "0" or step not in {"", "step=1"}:
        raise LabelInvalid(
            f"{where} is of a part of the video (start frame {start[:20]}, filter {step[:20]!r}): its "
            "frame numbers are not those of the video. Make the CVAT task of the whole video."
        )


def _frame(drawn: Element, where: str) -> int:
    text = drawn.get("frame", "")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_FRAME_DIGITS):
        raise LabelInvalid(f"{where}: {text[:20]!r} is no frame number. Export the labels again.")
    return int(text)


def _box(
    drawn: Element,
    class_id: int,
    size: tuple[int, int],
    classes: Sequence[str],
    where: str,
    identity: int | None,
) -> Box:
    if number(drawn.get("rotation", "0"), where):
        raise LabelInvalid(f"{where}: a box is rotated. Draw it upright.")
    edges = tuple(number(drawn.get(edge), f"{where}: {edge}") for edge in EDGES)
    return pixel_box(class_id, edges, size, classes, where, identity=identity)
