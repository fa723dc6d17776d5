"""Labelled pictures to measure a detector on: a YOLO folder, or a video with a table of boxes."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.errors import MediaRejected, NotFound


@dataclass(frozen=True)
class Labelled:
    """A picture and its true boxes."""

    picture: NDArray[np.uint8]  # (h, w, 3) RGB
    xyxy: NDArray[np.float64]  # (n, 4) pixels


def yolo_folder(
    images: Path, labels: Path, classes: tuple[int, ...] | None = None
) -> Iterator[Labelled]:
    """Pictures of a folder with their YOLO labels; only boxes of `classes`, if given.

    A picture without a label file counts as one without animals.
    """
    files = sorted(f for f in images.iterdir() if f.suffix.lower() in {".jpg", ".png"})
    if not files:
        raise NotFound(f"There are no pictures in {images}. Render scenes or give another folder.")
    for file in files:
        picture = cv2.imread(str(file))
        if picture is None:
            raise MediaRejected(f"{file} cannot be decoded as a picture. Replace or remove it.")
        label = labels / f"{file.stem}.txt"
        lines = label.read_text().split("\n") if label.exists() else []
        rows = np.array([line.split()[:5] for line in lines if line.strip()], float).reshape(-1, 5)
        if classes is not None:
            rows = rows[np.isin(rows[:, 0], classes)]
        size = np.array([picture.shape[1], picture.shape[0]])
        centre, half = rows[:, 1:3] * size, rows[:, 3:5] * size / 2
        corners = np.concatenate([centre - half, centre + half], axis=1)
        yield Labelled(np.ascontiguousarray(picture[..., ::-1]), corners)


def labelled_video(video: Path, boxes: Path, every: int = 10) -> Iterator[Labelled]:
    """Each `every`th frame with the boxes of a csv that has the columns frame, x, y, w, h (pixels)."""
    import av

    by_frame: defaultdict[int, list[tuple[float, ...]]] = defaultdict(list)
    with boxes.open(newline="") as file:
        for row in csv.DictReader(file):
            x, y, w, h = (float(row[key]) for key in "xywh")
            by_frame[int(row["frame"])].append((x, y, x + w, y + h))
    with av.open(str(video)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i % every == 0:
                yield Labelled(
                    frame.to_ndarray(format="rgb24"), np.array(by_frame[i]).reshape(-1, 4)
                )
