"""What the processes of the training bench do."""

from __future__ import annotations

import csv
import json
import time
from collections import defaultdict
from pathlib import Path

from services.model_trainer.engines.dataset import Dataset, build_dataset
from shared.events.settings import TrainingSettings
from shared.labels.boxes import Box, FrameLabels, LabelSet
from tests.bench.plain import ultralytics

WEIGHTS = Path(__file__).resolve().parents[2] / "triton_models" / "global" / "model.pt"
EVERY_S = 3  # so far apart that frames of training and validation do not show the same moment
WIDTH, HEIGHT, FPS = 320, 240, 30


def build(folder: Path, frames: int, settings: TrainingSettings) -> Dataset:
    """A data set of a rendered arena and its exact boxes."""
    import av
    import cv2

    from deploy.simulator.arena import render_arena

    video, truth, images = folder / "scene.mp4", folder / "scene.csv", folder / "images"
    images.mkdir()
    render_arena(video, truth, seconds=frames, fps=1, width=WIDTH, height=HEIGHT, seed=9)
    boxes = defaultdict(list)
    with truth.open(newline="") as file:
        for row in csv.DictReader(file):
            x, y, w, h = (float(row[name]) for name in "xywh")
            centre = ((x + w / 2) / WIDTH, (y + h / 2) / HEIGHT)
            boxes[int(row["frame"])].append(Box(0, *centre, w / WIDTH, h / HEIGHT))
    labels, rows = [], []
    with av.open(str(video)) as container:
        for number, picture in enumerate(container.decode(video=0)):
            name = f"{number:08d}.jpg"
            cv2.imwrite(str(images / name), picture.to_ndarray(format="bgr24"))
            labels.append(FrameLabels.seen(number, name, boxes[number]))
            rows.append({"frame": number, "file": name, "time_s": number * EVERY_S})
    (images / "frames.json").write_text(json.dumps({"fps": 1 / EVERY_S, "frames": rows}))
    return build_dataset(images, LabelSet(("mouse",), tuple(labels)), settings, folder / "data")


def train(data: Dataset, settings: TrainingSettings, work: Path) -> float:
    """Seconds of the project's trainer."""
    from services.model_trainer.engines.port import trainer
    from shared.progress.report import silent

    begun = time.perf_counter()
    trainer().train(data, WEIGHTS, settings, work=work, report=silent)
    return time.perf_counter() - begun


def train_plainly(data: Dataset, settings: TrainingSettings, work: Path) -> float:
    """Seconds of ultralytics by itself, without its last validation."""
    from services.model_trainer.engines.ultralytics_trainer import UltralyticsTrainer

    plain = ultralytics(work.parent / ".ultralytics")
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils.torch_utils import strip_optimizer

    class Plain(DetectionTrainer):
        def final_eval(self) -> None:
            """As it comes, without the last validation: the mesh has a step of its own for it."""
            for weights in (self.last, self.best):
                strip_optimizer(weights)

    overrides = UltralyticsTrainer()._settings(settings, len(data.train))
    begun = time.perf_counter()
    plain.YOLO(str(WEIGHTS)).train(
        trainer=Plain, data=str(data.yaml), project=str(work), name="run", **overrides
    )
    return time.perf_counter() - begun
