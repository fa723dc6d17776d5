"""All models on the frames that judge: figures, comparisons and pictures of one training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.model_trainer.engines.compare import Comparison, compare
from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.evaluate import Evaluation, evaluate
from services.model_trainer.engines.evaluate_curves import CONFIDENCE, curves, details
from services.model_trainer.engines.evaluate_matches import JudgedFrame, match
from services.model_trainer.engines.pictures import (
    draw_confusion,
    draw_frames,
    draw_learning_curve,
    draw_precision_recall,
)
from shared.events.learning_settings import PromotionSettings
from shared.progress.report import Report, silent

KEPT = 0.01  # confidence from which predictions are written down


@dataclass(frozen=True)
class Rival:
    """A model to compare the new one with."""

    name: str  # <model>/<version>, or global
    weights: Path
    classes: tuple[str, ...] | None = None  # None: it names animals otherwise, count all as one
    imgsz: int | None = None  # pixels it was trained for; None: those of the new one


@dataclass(frozen=True)
class Judgement:
    """What was found out."""

    metrics: dict[str, Any]
    message: str


def judge(
    name: str,
    weights: Path,
    dataset: Dataset,
    *,
    imgsz: int,
    world: Rival,
    current: Rival | None,
    promotion: PromotionSettings,
    history: Sequence[dict[str, Any]],
    out: Path,
    report: Report = silent,
) -> Judgement:
    """Score `weights` and its rivals on the frames of `dataset` that judge, and draw it into `out`.

    `world` is the global model, `current` the version to beat; `history` has the rounds before
    (round, frames, map50, map50_95). Each model runs once over the frames, or twice where classes
    have to be counted as one. May run again: it writes the same files.
    """
    out.mkdir(parents=True, exist_ok=True)
    one_class = len(dataset.classes) == 1
    own = evaluate(weights, dataset, imgsz=imgsz)
    report(0.4, "evaluating without class names")
    agnostic = own if one_class else evaluate(weights, dataset, imgsz=imgsz, class_agnostic=True)
    report(0.6, "evaluating the global model")
    other = evaluate(world.weights, dataset, imgsz=world.imgsz or imgsz, class_agnostic=True)
    against = {"global": _compared((name, agnostic), (world.name, other), dataset, agnostic=True)}
    judged = {name: own.judged, world.name: other.judged}
    if current is not None:
        report(0.8, f"evaluating {current.name}")
        known = current.classes == dataset.classes[: len(current.classes or ())]
        last = evaluate(
            current.weights, dataset, imgsz=current.imgsz or imgsz, class_agnostic=not known
        )
        against["current"] = _compared(
            (name, own if known else agnostic), (current.name, last), dataset, agnostic=not known
        )
        judged[current.name] = last.judged
    found = details(own.judged, dataset.classes, _videos(dataset))
    metrics = {
        "user": own.figures(),
        "user_any_class": agnostic.figures(),
        "global_any_class": other.figures(),
        "frames": own.frames,
        "boxes": own.boxes,
        "leakage": dataset.leakage,
        "leak": dataset.leak,
        "round": dataset.round,
        **found,
        "comparison": _told(against, promotion),
    }
    point = {"round": dataset.round, "frames": len(dataset.train), **own.figures()}
    rounds = sorted(
        [*(each for each in history if each["round"] != dataset.round), point],
        key=lambda each: each["round"],
    )
    metrics["learning_curve"] = rounds
    _draw(own, dataset, found, rounds, out)
    _write(judged, dataset, out)
    return Judgement(metrics, _message(agnostic, other, metrics["comparison"], dataset))


def _compared(
    new: tuple[str, Evaluation], other: tuple[str, Evaluation], dataset: Dataset, *, agnostic: bool
) -> Comparison:
    classes = len(dataset.classes)
    return compare(
        (new[0], match(new[1].judged, classes, class_agnostic=agnostic)),
        (other[0], match(other[1].judged, classes, class_agnostic=agnostic)),
        dataset.val_blocks,
        class_agnostic=agnostic,
    )


def _told(against: dict[str, Comparison], promotion: PromotionSettings) -> dict[str, Any]:
    """The comparison that a promotion is decided by: with the current model, else the global one."""
    records = {
        name: each.record(promotion.margin, promotion.confidence) for name, each in against.items()
    }
    return {**records.get("current", records["global"]), "global": records["global"]}


def _videos(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.val, dataset.val_videos, strict=True))


def _draw(
    own: Evaluation,
    dataset: Dataset,
    found: dict[str, Any],
    rounds: Sequence[dict[str, Any]],
    out: Path,
) -> None:
    shapes = curves(match(own.judged, len(dataset.classes)), dataset.classes)
    aps = {name: figures["map50"] for name, figures in found["classes"].items()}
    draw_precision_recall(shapes, aps, out / "precision_recall.png")
    table = found["confusion"]
    draw_confusion(table["counts"], table["names"], out / "confusion.png")
    images = dataset.work / "data" / "images" / "val"
    draw_frames(own.judged, images, dataset.classes, out / "frames.png")
    draw_learning_curve(rounds, out / "learning_curve.png")


def _write(judged: dict[str, tuple[JudgedFrame, ...]], dataset: Dataset, out: Path) -> None:
    """What each model said of each frame, so that anybody may count again."""
    content = {
        "classes": dataset.classes,
        "confidence_drawn": CONFIDENCE,
        "frames": [
            {
                "name": frames[0].name,
                "truth": _rows(frames[0].truth.class_id, frames[0].truth.xyxy),
                "models": {
                    model: _rows(frame.found.class_id, frame.found.xyxy, frame.found.confidence)
                    for model, frame in zip(judged, frames, strict=True)
                },
            }
            for frames in zip(*judged.values(), strict=True)
        ],
    }
    part = out / "predictions.part"
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")
    part.replace(out / "predictions.json")


def _rows(class_id: Any, xyxy: Any, confidence: Any = None) -> list[list[float]]:
    """class, left, top, right, bottom [, confidence] of each box."""
    rows = [
        [int(c), *(round(float(v), 2) for v in box)] for c, box in zip(class_id, xyxy, strict=True)
    ]
    if confidence is None:
        return rows
    return [
        [*row, round(float(score), 4)]
        for row, score in zip(rows, confidence, strict=True)
        if score >= KEPT
    ]


def _message(
    agnostic: Evaluation, other: Evaluation, comparison: dict[str, Any], dataset: Dataset
) -> str:
    head = (
        f"mAP50 {agnostic.map50:.3f} (global model {other.map50:.3f}) on {agnostic.frames} frames, "
        f"leakage {dataset.leakage:.0%}"
    )
    return f"{head}. {comparison['sentence']}"
