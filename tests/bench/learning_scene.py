"""A video whose truth is known, and detectors taught with chosen frames of it."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.labeling_manager.engines.truth_csv import read_truth
from services.model_inference.engines.table import COLUMNS
from services.model_inference.engines.tracker import Tracker
from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.evaluate import evaluate
from services.model_trainer.engines.port import trainer
from services.video_processor.engines.frames import extract
from shared.events.settings import TrainingSettings
from shared.labels.boxes import Box
from shared.labels.yolo import write_yolo
from shared.progress.report import silent

WEIGHTS = Path(__file__).resolve().parents[2] / "triton_models" / "global" / "model.pt"
LEAST_CONFIDENCE = 0.1  # of the boxes in results.csv: doubt shows below the usual 0.25
TRACK_CONFIDENCE = 0.25  # from which on a box begins a track
KEYPOINTS = 10  # of 24 of a fly; with fewer the box is of a fragment


@dataclass(frozen=True)
class Scene:
    """Where people label, and where the detector is judged, seconds apart."""

    name: str
    video: Path
    pool: Path  # the beginning of the video: what may be chosen
    frames: int  # of the pool
    fps: float
    classes: tuple[str, ...]
    boxes: dict[int, list[Box]]  # truth, by frame
    watched: tuple[int, ...]  # frames by which the best epoch is taken, between those that judge
    judged: tuple[int, ...]  # frames by which the detector is scored, after the pool
    poor: frozenset[
        int
    ]  # frames whose truth has fragments of an animal: nobody is asked about them

    @property
    def avoid_s(self) -> tuple[tuple[float, float], ...]:
        """The poor frames, as spans of time in which nothing may be chosen."""
        half = 0.4 / self.fps
        return tuple((n / self.fps - half, n / self.fps + half) for n in sorted(self.poor))


@dataclass(frozen=True)
class Score:
    """Of a detector on the judged frames, 0..1."""

    map50: float
    map50_95: float


def scene(
    name: str, video: Path, truth: Path, folder: Path, *, pool: int, watched: int, judged: int
) -> Scene:
    """The first `pool` frames are for choosing; two seconds later begin those that judge."""
    import av

    folder.mkdir(parents=True, exist_ok=True)
    beginning = folder / f"{name}.pool.mp4"
    with av.open(str(video)) as source, av.open(str(beginning), "w") as sink:
        given = source.streams.video[0]
        fps = given.average_rate
        assert fps
        size = (given.width, given.height)
        made = sink.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "veryfast"})
        made.width, made.height, made.pix_fmt = *size, "yuv420p"
        total = 0
        for frame in source.decode(video=0):
            if total < pool:
                picture = frame.reformat(format="yuv420p")
                picture.pts, picture.time_base, picture.pict_type = total, 1 / fps, 0
                sink.mux(made.encode(picture))
            total += 1
        sink.mux(made.encode())
    found = read_truth(truth, width=size[0], height=size[1])
    poor = _poor(truth)
    first = pool + round(2 * fps)
    later = _spread(first, total, 2 * judged, poor)
    return Scene(
        name=name,
        video=video,
        pool=beginning,
        frames=pool,
        fps=float(fps),
        classes=found.classes,
        boxes={frame: list(boxes) for frame, boxes in found.boxes.items()},
        watched=later[1 :: 2 * judged // watched],
        judged=later[::2],
        poor=poor,
    )


def _poor(truth: Path) -> frozenset[int]:
    with truth.open(newline="") as stream:
        points = Counter(
            int(row["frame"])
            for row in csv.DictReader(stream)
            if int(row.get("n_keypoints", KEYPOINTS)) < KEYPOINTS
        )
    return frozenset(points)


def _spread(first: int, end: int, count: int, poor: Collection[int]) -> tuple[int, ...]:
    sound = [number for number in range(first, end) if number not in poor]
    return tuple(sorted({sound[i * len(sound) // count] for i in range(count)}))


def teach(
    scene: Scene,
    frames: Collection[int],
    settings: TrainingSettings,
    work: Path,
    *,
    start: Path = WEIGHTS,
    times: int = 1,
) -> tuple[Path, Score]:
    """Weights that the project's trainer makes from the truth of `frames`, and their score.

    It goes on from the weights `start`; each frame is shown `times` in an epoch. A training that was
    stopped goes on too.
    """
    shutil.rmtree(work / "taught", ignore_errors=True)
    taught = _dataset(scene, sorted(frames), scene.watched, work / "taught")
    _repeat(work / "taught" / "data", times)
    made = trainer().train(taught, start, settings, work=work / "train", report=silent)
    return made.weights, judge(scene, made.weights, settings.imgsz)


def judge(scene: Scene, weights: Path, imgsz: int) -> Score:
    """The score of `weights`; classes do not count, so that the global model can be scored."""
    data = _dataset(
        scene, scene.judged[:1], scene.judged, scene.pool.with_name(f"{scene.name}.judged")
    )
    found = evaluate(weights, data, imgsz=imgsz, class_agnostic=True)
    return Score(found.map50, found.map50_95)


def analyse(scene: Scene, weights: Path, imgsz: int, table: Path, every: int) -> Path:
    """results.csv of each `every`-th frame of the pool, as the analysis of the mesh writes it."""
    import av
    import numpy as np
    from ultralytics import YOLO

    from shared.vision.boxes import Detections

    model = YOLO(str(weights))
    tracker = Tracker(scene.fps, TRACK_CONFIDENCE, lost_s=1.0)
    with av.open(str(scene.pool)) as source, table.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for number, frame in enumerate(source.decode(video=0)):
            if number % every:
                continue
            picture = frame.to_ndarray(format="bgr24")
            found = model.predict(picture, imgsz=imgsz, conf=LEAST_CONFIDENCE, verbose=False)
            boxes = found[0].boxes.cpu().numpy()
            seen = Detections(
                boxes.xyxy.astype(np.float32),
                boxes.conf.astype(np.float32),
                boxes.cls.astype(np.int64),
            )
            time_s = number / scene.fps
            for track, box, sure, kind in zip(
                tracker.update(seen, time_s), seen.xyxy, seen.confidence, seen.class_id, strict=True
            ):
                x, y, right, bottom = (round(float(side), 2) for side in box)
                place = (x, y, round(right - x, 2), round(bottom - y, 2))
                about = (number, round(time_s, 4), track or "", int(kind), round(float(sure), 4))
                rows.writerow((*about, *place, scene.name, 1))
    return table


def _dataset(scene: Scene, train: Sequence[int], val: Sequence[int], work: Path) -> Dataset:
    """A data set with exactly these frames; nothing of the mesh's own split is in it."""
    images = {"train": tuple(train), "val": tuple(val)}
    names: dict[str, tuple[str, ...]] = {}
    for part, numbers in images.items():
        folder = work / "data" / "images" / part
        content = extract(scene.video, numbers, folder, silent)
        names[part] = tuple(entry["file"] for entry in content["frames"])
        labels = work / "data" / "labels" / part
        labels.mkdir(parents=True, exist_ok=True)
        for entry in content["frames"]:
            text = write_yolo(scene.boxes.get(entry["frame"], []))
            (labels / f"{Path(entry['file']).stem}.txt").write_text(text, encoding="utf-8")
    lines = [f"  {number}: {name}\n" for number, name in enumerate(scene.classes)]
    (work / "data.yaml").write_text(
        "train: data/images/train\nval: data/images/val\nnames:\n" + "".join(lines)
    )
    boxes = {
        name: (_count(scene, train, number), _count(scene, val, number))
        for number, name in enumerate(scene.classes)
    }
    digest = hashlib.sha256(repr((scene.name, images)).encode()).hexdigest()
    return Dataset(
        work=work,
        classes=scene.classes,
        train=names["train"],
        val=names["val"],
        dropped=(),
        unseen=0,
        backgrounds=0,
        boxes=boxes,
        val_blocks_s=(),
        leakage=0.0,
        labels_sha256=digest,
        sha256=digest,
        warnings=(),
    )


def _repeat(data: Path, times: int) -> None:
    """Have each training image and its labels there `times`, under other names."""
    for kind in ("images", "labels"):
        for file in sorted((data / kind / "train").iterdir()):
            if file.suffix in {".jpg", ".txt"}:
                for again in range(1, times):
                    os.link(file, file.with_stem(f"{file.stem}-{again}"))


def _count(scene: Scene, frames: Sequence[int], kind: int) -> int:
    return sum(box.class_id == kind for frame in frames for box in scene.boxes.get(frame, []))
