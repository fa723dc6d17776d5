"""The evaluation as pictures: what a number hides is often seen at a glance.

precision_recall.png    a curve of every class
confusion.png           what was said of what is there
frames.png              truth beside predictions, the worst frames first
learning_curve.png      mAP against labelled frames, a point a round
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.model_trainer.engines.evaluate_curves import CONFIDENCE, IOU, Curve
from services.model_trainer.engines.evaluate_matches import JudgedFrame
from shared.vision.geometry import iou_matrix

SHOWN = 6  # frames in frames.png
SIDE = 384  # pixels of one of its pictures, at most
DPI = 110
GREEN, ORANGE, INK = (70, 170, 40), (20, 120, 240), (40, 40, 40)  # blue, green, red
BAND = 26  # pixels above each picture
FONT = cv2.FONT_HERSHEY_SIMPLEX

Picture = NDArray[np.uint8]


def draw_precision_recall(
    curves: Mapping[str, Curve], aps: Mapping[str, float], file: Path
) -> None:
    """Precision against recall at IoU 0.5, with the AP50 of `aps` in the legend."""
    axes, save = _axes(file)
    for name, curve in curves.items():
        recall = np.concatenate([[0.0], curve.recall])
        precision = np.concatenate([[1.0], curve.precision])
        axes.plot(recall, precision, label=f"{name}: AP50 {aps[name]:.3f}, {curve.truths} boxes")
        _, best_precision, best_recall = curve.best
        axes.plot(best_recall, best_precision, "o", color=axes.lines[-1].get_color())
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    axes.set_title("Precision and recall, IoU 0.5; the dot has the best F1")
    axes.legend(loc="lower left")
    save()


def draw_confusion(counts: Sequence[Sequence[int]], names: Sequence[str], file: Path) -> None:
    """The counts of `evaluate_curves.confusion`, shaded by share of the true boxes of a column."""
    axes, save = _axes(file)
    table = np.asarray(counts, float)
    share = table / np.maximum(table.sum(axis=0), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(table.shape):
        nothing = row == column == len(names) - 1
        axes.text(
            column,
            row,
            "" if nothing else f"{table[row, column]:.0f}",
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.5 else "black",
        )
    axes.grid(visible=False)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="what is there", ylabel="what the model says")
    axes.set_title(f"Boxes above confidence {CONFIDENCE:g}, IoU {IOU:g}")
    save()


def draw_learning_curve(rounds: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Both mAPs against the frames taught; each round has round, frames, map50 and map50_95."""
    axes, save = _axes(file)
    frames = [each["frames"] for each in rounds]
    for name, label in (("map50", "mAP50"), ("map50_95", "mAP50-95")):
        axes.plot(frames, [each[name] for each in rounds], "o-", label=label)
    for each in rounds:
        axes.annotate(
            f"round {each['round']}",
            (each["frames"], each["map50_95"]),
            textcoords="offset points",
            xytext=(0, -16),
            ha="center",
        )
    axes.set(xlabel="frames taught", ylabel="on the frozen validation frames", ylim=(0, 1.05))
    axes.set_xlim(0, max(frames) * 1.15 + 1)
    axes.legend(loc="lower right")
    axes.set_title("What more labels brought")
    save()


def draw_frames(
    frames: Sequence[JudgedFrame], images: Path, classes: Sequence[str], file: Path
) -> None:
    """Truth (green) beside predictions (orange) of the frames with the most mistakes."""
    ordered = sorted(frames, key=lambda frame: -_mistakes(frame))[:SHOWN]
    rows = []
    for frame in ordered:
        image = cv2.imread(str(images / frame.name))
        if image is None:
            continue
        sure = frame.found.confidence > CONFIDENCE
        true_names = [classes[i] for i in frame.truth.class_id]
        said = [
            f"{classes[i] if i < len(classes) else i} {confidence:.2f}"
            for i, confidence in zip(
                frame.found.class_id[sure], frame.found.confidence[sure], strict=True
            )
        ]
        mistakes = _mistakes(frame)
        told = "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"
        left = _drawn(image, frame.truth.xyxy, true_names, GREEN, f"{frame.name}: truth")
        right = _drawn(image, frame.found.xyxy[sure], said, ORANGE, f"model, {told}")
        rows.append(np.hstack([left, right]))
    if not rows:
        return
    width = max(row.shape[1] for row in rows)
    padded = [
        cv2.copyMakeBorder(
            row, 0, 4, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3
        )
        for row in rows
    ]
    part = file.with_name(f"part.{file.name}")
    cv2.imwrite(str(part), np.vstack(padded))
    part.replace(file)


def _mistakes(frame: JudgedFrame) -> int:
    """True boxes that were missed, and predictions of nothing."""
    sure = frame.found.confidence > CONFIDENCE
    same = frame.truth.class_id[:, None] == frame.found.class_id[sure][None, :]
    overlap = iou_matrix(frame.truth.xyxy.reshape(-1, 4), frame.found.xyxy[sure].reshape(-1, 4))
    near = (overlap >= IOU) & same
    matched = min(int(near.any(axis=1).sum()), int(near.any(axis=0).sum())) if near.size else 0
    return len(frame.truth.class_id) + int(sure.sum()) - 2 * matched


def _drawn(
    image: Picture, boxes: NDArray[np.floating], names: Sequence[str], colour: Any, title: str
) -> Picture:
    scale = SIDE / max(image.shape[:2])
    height, width = (round(side * scale) for side in image.shape[:2])
    picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    for box, name in zip(boxes * scale, names, strict=True):
        left, top, right, bottom = (round(float(edge)) for edge in box)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, 2)
        at = (max(left, 2), top - 5 if top > 18 else min(bottom + 14, height - 4))
        cv2.putText(picture, name, at, FONT, 0.45, (255, 255, 255), 3, cv2.LINE_AA)
        cv2.putText(picture, name, at, FONT, 0.45, colour, 1, cv2.LINE_AA)
    framed = cv2.copyMakeBorder(picture, BAND, 0, 0, 4, cv2.BORDER_CONSTANT, value=(255,) * 3)
    cv2.putText(framed, title, (4, 18), FONT, 0.5, INK, 1, cv2.LINE_AA)
    return framed  # type: ignore[return-value]  # of the same dtype as `image`


def _axes(file: Path) -> tuple[Any, Any]:
    """Axes on a canvas without a window, and what saves them as `file` at once or not at all."""
    os.environ.setdefault("MPLCONFIGDIR", str(file.parent / ".matplotlib"))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(visible=True, alpha=0.3)

    def save() -> None:
        part = file.with_name(f"part.{file.name}")
        figure.savefig(part)
        part.replace(file)

    return axes, save
