"""How well identities are kept, where the truth has some.

IDF1 (Ristani et al. 2016, "Performance Measures and a Data Set for Multi-Target, Multi-Camera
Tracking"): each true animal is given at most one track, so that the most boxes agree over the whole
video; IDF1 is the share of boxes that do. Switches (Bernardin and Stiefelhagen 2008) count how
often the track that covers an animal becomes another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from shared.vision.geometry import iou_matrix

IOU = 0.5
Rows = Mapping[int, Sequence[tuple[int, Sequence[float]]]]
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


def _numbered(identities: Iterable[int]) -> dict[int, int]:
    return {identity: i for i, identity in enumerate(dict.fromkeys(identities))}


def _boxes(rows: Sequence[tuple[int, Sequence[float]]]) -> np.ndarray:
    return np.array([box for _, box in rows], float).reshape(-1, 4)
