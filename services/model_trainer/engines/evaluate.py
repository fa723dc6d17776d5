"""How well weights find the animals in the validation frames, which they were never trained on."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.evaluate_matches import JudgedFrame
from services.model_trainer.engines.ultralytics_setup import check_readable, prepare_ultralytics
from services.model_trainer.errors import WeightsDamaged
from shared.progress.report import Report, silent
from shared.vision.boxes import Detections
from shared.vision.metrics import Truth


@dataclass(frozen=True)
class Evaluation:
    """Figures 0..1 as `yolo val` counts them; precision and recall at the best F1."""

    map50: float
    map50_95: float
    precision: float
    recall: float
    frames: int
    boxes: int  # true ones; the fewer, the rougher the figures
    class_agnostic: bool  # all classes counted as one
    per_class: dict[str, float] = field(default_factory=dict)  # class -> mAP50-95, if it has boxes
    judged: tuple[JudgedFrame, ...] = field(default=(), repr=False)  # in the order of the data set

    def figures(self) -> dict[str, float]:
        """The four numbers by name, for records and reports."""
        return {
            "map50": self.map50,
            "map50_95": self.map50_95,
            "precision": self.precision,
            "recall": self.recall,
        }


def evaluate(
    weights: Path,
    dataset: Dataset,
    *,
    imgsz: int,
    class_agnostic: bool = False,
    batch: int = 8,
    device: str | None = None,
    report: Report = silent,
) -> Evaluation:
    """Run `weights` over the validation frames of `dataset` at `imgsz` pixels.

    To compare models that name the same animals differently (the global one says `animal`), give
    both `class_agnostic`: then only where the boxes lie counts. As for training, the caller has
    compared the sha256 of `weights` with their record. May run again: it leaves nothing behind.
    Raises `WeightsDamaged`.
    """
    if not weights.is_file():
        raise WeightsDamaged(f"There are no weights at {weights}. Choose others, or restore them.")
    prepare_ultralytics(dataset.work.parent / ".ultralytics")
    check_readable(weights)
    import torch
    from ultralytics.models.yolo.detect import DetectionValidator
    from ultralytics.utils.callbacks import get_default_callbacks

    judged: dict[str, JudgedFrame] = {}

    class Recording(DetectionValidator):
        def _process_batch(self, preds: Any, batch: Any) -> Any:
            """Called for every image with what the figures are counted from."""
            name = Path(batch["im_file"]).name
            judged[name] = _judged(name, preds, batch)
            return super()._process_batch(preds, batch)

    folder = Path(tempfile.mkdtemp(prefix=".evaluate-", dir=dataset.work))
    seen = 0

    def tell(validator: Any) -> None:
        nonlocal seen
        seen += 1
        report(min(seen / max(len(validator.dataloader), 1), 1.0), "evaluating")

    callbacks: Any = get_default_callbacks()
    callbacks["on_val_batch_end"].append(tell)
    settings = {
        "task": "detect",
        "mode": "val",
        "model": str(weights),
        "data": str(dataset.yaml.resolve()),
        "imgsz": imgsz,
        "batch": batch,
        "device": device or ("0" if torch.cuda.is_available() else "cpu"),
        "single_cls": class_agnostic,
        "workers": 0,
        "plots": False,
        "verbose": False,
    }
    try:
        validator = Recording(save_dir=folder, args=settings, _callbacks=callbacks)
        validator(model=str(weights))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    frames = tuple(judged[name] for name in dataset.val)
    return _evaluation(validator, dataset, frames, class_agnostic=class_agnostic)


def _judged(name: str, preds: Any, batch: Any) -> JudgedFrame:
    """Boxes of the network's input moved to the image; moved alike, they overlap as they did."""
    (gain, _), (pad_x, pad_y) = batch["ratio_pad"]
    shift = np.array([pad_x, pad_y] * 2, np.float32)

    def moved(boxes: Any) -> NDArray[np.float32]:
        return (boxes.cpu().numpy().reshape(-1, 4).astype(np.float32) - shift) / np.float32(gain)

    return JudgedFrame(
        name,
        Truth(moved(batch["bboxes"]), batch["cls"].cpu().numpy().astype(np.int64)),
        Detections(
            moved(preds["bboxes"]),
            preds["conf"].cpu().numpy().astype(np.float32),
            preds["cls"].cpu().numpy().astype(np.int64),
        ),
    )


def _evaluation(
    validator: Any, dataset: Dataset, judged: tuple[JudgedFrame, ...], *, class_agnostic: bool
) -> Evaluation:
    boxes = sum(val for _, val in dataset.boxes.values())
    found = validator.metrics.box
    precision, recall, map50, map50_95 = (float(each) for each in found.mean_results())
    names = ("all",) if class_agnostic else dataset.classes
    return Evaluation(
        map50=map50,
        map50_95=map50_95,
        precision=precision,
        recall=recall,
        frames=len(dataset.val),
        boxes=boxes,
        class_agnostic=class_agnostic,
        judged=judged,
        per_class={names[int(i)]: float(found.maps[int(i)]) for i in found.ap_class_index},
    )
