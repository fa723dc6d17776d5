"""The task file of a labeling, ``labels/{task_id}/work/task.json``: what was opened and pushed.

It is the frame -> task map that makes a second `open` or `push` harmless, and it is written last,
so a labeling whose file lists a frame has that frame.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    Prediction,
    Predictions,
)
from services.labeling_manager.errors import LabelingGone, OtherClasses, TaskFileDamaged
from shared.errors import Invalid
from shared.labels.boxes import SMALLEST_SIDE
from shared.labels.folder import checked_classes, label_name
from shared.storage.disk import explaining, replacing
from shared.storage.paths import under

TASK_FILE = "task.json"


@dataclass(frozen=True, slots=True)
class PushedFrame:
    """A frame that the tool has."""

    frame: int
    file: str
    predictions: tuple[Prediction, ...] | None  # None: no model looked at it


@dataclass(frozen=True)
class Record:
    """The content of the task file."""

    engine: str
    spec: LabelingSpec
    opened_at: float  # seconds since the epoch
    frames: tuple[PushedFrame, ...] = field(default=())  # in the order of the video

    def with_frames(self, images: Sequence[FrameImage], predictions: Predictions) -> Record:
        """Also these frames; one that is there already gets its new predictions."""
        frames = {pushed.frame: pushed for pushed in self.frames}
        for image in images:
            suggested = predictions.get(image.frame)
            usable = None if suggested is None else checked(suggested, self.spec.classes)
            frames[image.frame] = PushedFrame(image.frame, image.file, usable)
        ordered = tuple(frames[number] for number in sorted(frames))
        for name, times in Counter(label_name(pushed.file) for pushed in ordered).items():
            if times > 1:
                raise Invalid(
                    f"{times} frames would share the label file {name}. Name every image otherwise."
                )
        return replace(self, frames=ordered)

    def write(self, work: Path) -> None:
        """Store it, whole or not at all."""
        with explaining(work / TASK_FILE), replacing(work / TASK_FILE) as temporary:
            temporary.write_text(json.dumps(self._json(), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, work: Path) -> Self:
        """The record of an open labeling."""
        file = work / TASK_FILE
        try:
            return cls._parsed(json.loads(file.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LabelingGone(file) from error
        except (ValueError, KeyError, TypeError) as error:
            raise TaskFileDamaged(file, f"{type(error).__name__}: {error}") from error

    @classmethod
    def opened(cls, engine: str, spec: LabelingSpec, work: Path) -> Self:
        """The record that is there, or a new one; `OtherClasses` when it cannot be the same."""
        spec = replace(spec, classes=checked_classes(spec.classes, where="The task"))
        try:
            found = cls.read(work)
        except LabelingGone:
            return cls(engine, spec, time.time())
        if found.engine != engine:
            return cls(engine, spec, time.time())
        if found.spec.classes != spec.classes:
            raise OtherClasses(spec.task_id, found.spec.classes, spec.classes)
        return replace(found, spec=spec)

    def _json(self) -> dict[str, Any]:
        return {
            "task_id": self.spec.task_id,
            "title": self.spec.title,
            "instructions": self.spec.instructions,
            "engine": self.engine,
            "classes": list(self.spec.classes),
            "opened_at": self.opened_at,
            "counts": {
                "frames": len(self.frames),
                "frames_with_predictions": sum(bool(frame.predictions) for frame in self.frames),
                "predictions": sum(len(frame.predictions or ()) for frame in self.frames),
            },
            "frames": [
                {
                    "frame": frame.frame,
                    "file": frame.file,
                    "predictions": None
                    if frame.predictions is None
                    else [_row(prediction) for prediction in frame.predictions],
                }
                for frame in self.frames
            ],
        }

    @classmethod
    def _parsed(cls, content: dict[str, Any]) -> Self:
        spec = LabelingSpec(
            task_id=str(content["task_id"]),
            classes=tuple(str(name) for name in content["classes"]),
            title=str(content["title"]),
            instructions=str(content["instructions"]),
        )
        frames = tuple(
            PushedFrame(int(row["frame"]), str(row["file"]), _predictions(row["predictions"]))
            for row in content["frames"]
        )
        return cls(str(content["engine"]), spec, float(content["opened_at"]), frames)


def work_folder(root: Path, ref: str) -> Path:
    """``labels/{task_id}/work`` of a labeling."""
    return under(root, ref) / "work"


def checked(predictions: Sequence[Prediction], classes: tuple[str, ...]) -> tuple[Prediction, ...]:
    """The predictions cut at the edges of the image, best first; what lies outside is left out."""
    best_first = sorted(predictions, key=lambda prediction: -prediction.confidence)
    return tuple(cut for each in best_first if (cut := _cut(each, classes)) is not None)


def _cut(prediction: Prediction, classes: tuple[str, ...]) -> Prediction | None:
    if not 0 <= prediction.class_id < len(classes):
        raise Invalid(
            f"A prediction has class {prediction.class_id}, but the labeling has only the classes "
            f"{', '.join(classes)}. Translate the model's classes before they are pushed."
        )
    x, y, w, h = prediction.cx, prediction.cy, prediction.w, prediction.h
    if not all(math.isfinite(value) for value in (x, y, w, h, prediction.confidence)):
        return None
    left, right = max(x - w / 2, 0.0), min(x + w / 2, 1.0)
    top, bottom = max(y - h / 2, 0.0), min(y + h / 2, 1.0)
    if min(right - left, bottom - top) < 2 * SMALLEST_SIDE:  # twice, so that rounding keeps it
        return None
    return replace(
        prediction,
        cx=(left + right) / 2,
        cy=(top + bottom) / 2,
        w=right - left,
        h=bottom - top,
    )


def _row(prediction: Prediction) -> list[float]:
    numbers = (prediction.cx, prediction.cy, prediction.w, prediction.h, prediction.confidence)
    return [prediction.class_id, *(round(number, 6) for number in numbers)]


def _predictions(rows: list[list[float]] | None) -> tuple[Prediction, ...] | None:
    if rows is None:
        return None
    return tuple(Prediction(int(class_id), *map(float, rest)) for class_id, *rest in rows)
