"""Rendered squares with exact truth, and a report that remembers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from shared.events.settings import TrainingSettings
from shared.labels.boxes import Box, FrameLabels, LabelSet

WIDTH, HEIGHT = 128, 96
COLOURS = ((40, 200, 230), (220, 60, 60))  # blue, green, red of class 0 and 1
FAST = TrainingSettings(epochs=3, imgsz=64, batch=8)


def render(folder: Path, contents: Sequence[Sequence[int]], *, step_s: float = 1.0) -> LabelSet:
    """A frame each `step_s` seconds with a square per class id in its content; frames.json too."""
    folder.mkdir(parents=True)
    draw = random.Random(3)
    noise = np.random.default_rng(3)
    frames, rows = [], []
    for i, classes in enumerate(contents):
        image = noise.integers(60, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        boxes = []
        for class_id in classes:
            side = draw.randint(24, 40)
            x, y = draw.randint(0, WIDTH - side), draw.randint(0, HEIGHT - side)
            cv2.rectangle(image, (x, y), (x + side - 1, y + side - 1), COLOURS[class_id], -1)
            cx, cy = (x + side / 2) / WIDTH, (y + side / 2) / HEIGHT
            boxes.append(Box(class_id, cx, cy, side / WIDTH, side / HEIGHT))
        frame = round(i * step_s * 100)
        file = f"{frame:08d}.jpg"
        cv2.imwrite(str(folder / file), image)
        rows.append({"frame": frame, "file": file, "time_s": i * step_s})
        frames.append(FrameLabels.seen(frame, file, boxes))
    (folder / "frames.json").write_text(json.dumps({"fps": 100, "frames": rows}))
    classes = ("square", "tile")[: 1 + max((c for content in contents for c in content), default=0)]
    return LabelSet(classes, tuple(frames))


class Recorded:
    """A report that remembers, and that can be told to raise."""

    def __init__(self, stop: Callable[[str, dict[str, float]], None] | None = None) -> None:
        self.calls: list[tuple[float, str, dict[str, float]]] = []
        self.stop = stop

    def __call__(self, fraction: float, message: str = "", **figures: float) -> None:
        self.calls.append((fraction, message, figures))
        if self.stop:
            self.stop(message, figures)

    @property
    def epochs(self) -> list[dict[str, float]]:
        return [figures for _, _, figures in self.calls if "epoch" in figures]
