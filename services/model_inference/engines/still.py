"""What a model sees in single pictures: suggestions for the people who will label them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from services.model_inference.engines.replace import whole
from shared.errors import MediaRejected
from shared.events.settings import AnalysisSettings
from shared.labels.folder import read_frames
from shared.serving.config_pbtxt import MAX_BATCH_SIZE
from shared.serving.port import ModelServer, ModelSpec
from shared.vision.geometry import letterbox, non_max_suppression, to_batch

LOW = 0.1  # a labeler wants to see doubtful boxes too


def predict_frames(
    folder: Path, spec: ModelSpec, server: ModelServer, settings: AnalysisSettings, out: Path
) -> int:
    """Write `out`: {"model": <name>/<version>, "classes": [...], "frames": {frame: [box, ...]}}.

    A box is [class, cx, cy, w, h, confidence]: shares of the image, best first; `class` counts in
    "classes".

    `folder` holds frames.json and the images it lists. Returns the number of boxes.
    """
    entries = read_frames(folder / "frames.json")
    found: dict[int, list[list[float]]] = {}
    size = min(settings.batch_size, MAX_BATCH_SIZE)
    for begin in range(0, len(entries), size):
        group = entries[begin : begin + size]
        images = [_read(folder / entry.file) for entry in group]
        fitted = [letterbox(image, spec.image_size) for image in images]
        output = server.infer(spec, to_batch([canvas for canvas, _ in fitted]))
        for entry, one, (_, box) in zip(group, output, fitted, strict=True):
            seen = non_max_suppression(one, box, LOW, settings.iou)
            found[entry.frame] = [
                [
                    int(number),
                    *(
                        round(float(v), 6)
                        for v in (
                            (x1 + x2) / 2 / box.width,
                            (y1 + y2) / 2 / box.height,
                            (x2 - x1) / box.width,
                            (y2 - y1) / box.height,
                            confidence,
                        )
                    ),
                ]
                for (x1, y1, x2, y2), confidence, number in zip(
                    seen.xyxy, seen.confidence, seen.class_id, strict=True
                )
            ]
    told = {"model": f"{spec.name}/{spec.version}", "classes": spec.classes, "frames": found}
    with whole(out) as part:
        part.write_text(json.dumps(told), encoding="utf-8")
    return sum(map(len, found.values()))


def _read(path: Path) -> NDArray[np.uint8]:
    """The picture as (h, w, 3) RGB; `MediaRejected` when it cannot be decoded."""
    image = cv2.imread(str(path))
    if image is None:
        raise MediaRejected(f"The frame {path.name} cannot be decoded; extract the frames again.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
