"""How well identities are kept, where the truth has some.

IDF1 (Ristani et al. 2016, "Performance Measures and a Data Set for Multi-Target, Multi-Camera
Tracking"): each true animal is given at most one track, so that the most boxes agree over the whole
video; IDF1 is the share of boxes that do. Switches (Bernardin and Stiefelhagen 2008) count how
often the track that covers an animal becomes another one.
"""

from __future__ import annotations

import csv
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from shared.events.settings import AnalysisSettings
from shared.vision.geometry import iou_matrix

IOU = 0.5
VAL, EMPTY = "val", "empty"  # split and state of a frame in the manifest of a data set
Row = tuple[Hashable, Sequence[float]]
Rows = Mapping[int, Sequence[Row]]
"""frame -> (identity, (left, top, right, bottom) in pixels) of each box."""


@dataclass(frozen=True)
class Identities:
    """Figures 0..1, and counts of boxes."""

    idf1: float
    precision: float  # share of the tracks' boxes that agree with their animal
    recall: float  # share of the animals' boxes that agree with their track
    switches: int
    truths: int
    found: int


def judged_tracks(
    truth: Rows, after: Path, before: Path | None = None, *, against: str = ""
) -> dict[str, Any]:
    """How well the tracks of two results.csv keep the identities of `truth`; `before` may be none.

    Empty where the truth has no identity: then there is nothing to say.
    """
    if not any(truth.values()):
        return {}
    new = identities(truth, _tracks(after, truth))
    told: dict[str, Any] = {"frames": len(truth), "new": _rounded(new)}
    sentence = f"On {len(truth)} frames whose animals are named, its tracks reach IDF1 "
    sentence += f"{new.idf1:.3f} with {new.switches} switches"
    if before is not None:
        old = identities(truth, _tracks(before, truth))
        told |= {"before": _rounded(old), "against": against}
        sentence += f" ({old.idf1:.3f} with {old.switches} before)"
    return {**told, "sentence": f"{sentence}."}


def identified_truth(
    manifest: Mapping[str, Any], video: str, settings: AnalysisSettings
) -> dict[int, list[Row]]:
    """The frames of a data set that judge, of the video with this sha256, as truth for tracks.

    Only frames in which every animal has an identity, or which are confirmed empty, and only those
    that an analysis with `settings` reaches. An identity holds within the labels of one round:
    those of the first round that has any count. No frame at all where no animal has an identity.
    """
    judges = [
        frame
        for frame in manifest["frames"]
        if frame["split"] == VAL and frame["video"] == video and _reached(frame["frame"], settings)
    ]
    named = [frame for frame in judges if frame.get("identities")]
    first = min((frame["round"] for frame in named), default=None)
    whole = [f for f in named if f["round"] == first and None not in f["identities"]]
    if not whole:
        return {}
    truth: dict[int, list[Row]] = {f["frame"]: [] for f in judges if f["state"] == EMPTY}
    return truth | {frame["frame"]: _labelled(frame) for frame in whole}


def _tracks(results: Path, frames: Container[int]) -> dict[int, list[Row]]:
    """The boxes of a results.csv in these frames; one without a track is a track of its own."""
    found: dict[int, list[Row]] = {}
    with results.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream)):
            if int(row["frame"]) not in frames:
                continue
            left, top, width, height = (float(row[side]) for side in ("x", "y", "w", "h"))
            box = (left, top, left + width, top + height)
            found.setdefault(int(row["frame"]), []).append((row["track_id"] or -number, box))
    return found


def _reached(frame: int, settings: AnalysisSettings) -> bool:
    place, between = divmod(frame, 1 + settings.frame_skip)
    return not between and (settings.max_frames is None or place < settings.max_frames)


def _labelled(frame: Mapping[str, Any]) -> list[Row]:
    width, height = frame["width"], frame["height"]
    rows: list[Row] = []
    for animal, line in zip(frame["identities"], frame["labels"].splitlines(), strict=True):
        cx, cy, w, h = map(float, line.split()[1:])
        left, top = (cx - w / 2) * width, (cy - h / 2) * height
        rows.append((animal, (left, top, left + w * width, top + h * height)))
    return rows


def _rounded(found: Identities) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(found).items()}


def identities(truth: Rows, tracks: Rows, *, iou: float = IOU) -> Identities:
    """Compare `tracks` with `truth` in the frames of `truth`; other frames say nothing.

    Boxes agree when they overlap by `iou` at least.
    """
    animals = _numbered(identity for rows in truth.values() for identity, _ in rows)
    found = _numbered(i for frame in truth for i, _ in tracks.get(frame, ()))
    agree = np.zeros((len(animals), len(found)), np.int64)
    truths = found_boxes = switches = 0
    last: dict[int, int] = {}
    for frame in sorted(truth):
        true_rows, found_rows = truth[frame], tracks.get(frame, ())
        truths += len(true_rows)
        found_boxes += len(found_rows)
        if not true_rows or not found_rows:
            continue
        overlap = iou_matrix(_boxes(true_rows), _boxes(found_rows))
        rows, columns = [animals[i] for i, _ in true_rows], [found[i] for i, _ in found_rows]
        near = overlap >= iou
        for i, j in np.argwhere(near):
            agree[rows[i], columns[j]] += 1
        switches += _switched(overlap, near, rows, columns, last)
    i, j = linear_sum_assignment(agree, maximize=True)
    right = int(agree[i, j].sum())
    return Identities(
        idf1=2 * right / max(truths + found_boxes, 1),
        precision=right / max(found_boxes, 1),
        recall=right / max(truths, 1),
        switches=switches,
        truths=truths,
        found=found_boxes,
    )


def _switched(
    overlap: np.ndarray, near: np.ndarray, rows: list[int], columns: list[int], last: dict[int, int]
) -> int:
    """Pair one frame, keeping pairs of before where they still agree; how many animals changed."""
    value = np.where(near, overlap, 0.0)
    for i, animal in enumerate(rows):
        for j, track in enumerate(columns):
            if near[i, j] and last.get(animal) == track:
                value[i, j] += 2.0  # more than any two overlaps together could gain
    switches = 0
    for i, j in zip(*linear_sum_assignment(value, maximize=True), strict=True):
        if near[i, j]:
            switches += last.get(rows[i], columns[j]) != columns[j]
            last[rows[i]] = columns[j]
    return switches


def _numbered(identities: Iterable[Hashable]) -> dict[Hashable, int]:
    return {identity: i for i, identity in enumerate(dict.fromkeys(identities))}


def _boxes(rows: Sequence[Row]) -> np.ndarray:
    return np.array([box for _, box in rows], float).reshape(-1, 4)
