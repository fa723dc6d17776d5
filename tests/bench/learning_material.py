"""Real frames with truth: two flies in a video, and a mouse in an arena, each cut once in time."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from services.labeling_manager.engines.truth_csv import read_truth
from services.model_trainer.engines.dataset import Dataset, build_dataset
from services.model_trainer.engines.frozen import Frozen, FrozenFrame
from shared.events.settings import TrainingSettings
from shared.labels.boxes import FrameLabels, LabelSet
from shared.labels.yolo import parse_yolo

VISION = Path(__file__).resolve().parents[3] / "shared" / "data" / "vision"
TAUGHT, HELD = range(771), range(830, 1100)  # frames of the fly video; the gap is 4 s
HELD_FRAMES = 40
FLY_SIDE, FLY_FPS = 384, 15
KEYPOINTS = 10  # of 24; with fewer the box is of a fragment, not of a fly
ODD = 0.5, 2.0  # of the median area: a box of half a fly, or around two that touch
MOUSE_TAUGHT, MOUSE_GAP = 36, 2  # of the 58 labelled frames, which lie some two seconds apart
MOUSE_EVERY_S = 2.0
BLOCKS = 10  # of the frames that judge


@dataclass(frozen=True)
class Material:
    """Frames that may be labelled, and those that judge, which come later in the same video."""

    name: str
    frames: Path
    labels: LabelSet
    taught: tuple[int, ...]  # frame numbers, ascending
    held: tuple[int, ...]
    fps: float

    def chosen(self, count: int) -> tuple[int, ...]:
        """`count` frames spread evenly over those that may be taught."""
        return spread(self.taught, count)

    def drawn(self, count: int, seed: int) -> tuple[int, ...]:
        """`count` frames drawn at random from those that may be taught."""
        draw = random.Random(seed)
        return tuple(sorted(draw.sample(self.taught, min(count, len(self.taught)))))

    def dataset(self, numbers: Sequence[int], settings: TrainingSettings, work: Path) -> Dataset:
        """`numbers` teach, the held frames judge: as a round with a frozen validation set."""
        used = {*numbers, *self.held}
        labels = LabelSet(
            self.labels.classes, tuple(f for f in self.labels.frames if f.frame in used)
        )
        share = -(-len(self.held) // BLOCKS)
        frozen = Frozen(
            tuple(
                FrozenFrame("", frame, frame / self.fps, i // share)
                for i, frame in enumerate(self.held)
            )
        )
        return build_dataset(self.frames, labels, settings, work, frozen=frozen)


def spread(numbers: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` of `numbers`, evenly, the first and the last among them."""
    count = min(count, len(numbers))
    return tuple(numbers[round(i * (len(numbers) - 1) / max(count - 1, 1))] for i in range(count))


def flies(folder: Path, *, whole: bool = False) -> Material:
    """The fly video; frames with a box that is not of one fly are left out unless `whole`."""
    import av
    import cv2

    source = VISION / "flies"
    csv_file = source / "centered_pair.boxes.csv"
    truth = read_truth(csv_file, width=FLY_SIDE, height=FLY_SIDE, classes=["fly"])
    odd = set() if whole else _odd(csv_file)
    sound = [n for n in range(1100) if truth.boxes.get(n) and n not in odd]
    taught = tuple(n for n in sound if n in TAUGHT)
    held = spread([n for n in sound if n in HELD], HELD_FRAMES)
    folder.mkdir(parents=True)
    labels, rows = [], []
    with av.open(str(source / "centered_pair_low_quality.mp4")) as container:
        for number, picture in enumerate(container.decode(video=0)):
            if number not in {*taught, *held}:
                continue
            file = f"{number:08d}.jpg"
            image = picture.to_ndarray(format="bgr24")
            cv2.imwrite(str(folder / file), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
            labels.append(FrameLabels.seen(number, file, list(truth.boxes[number])))
            rows.append({"frame": number, "file": file, "time_s": number / FLY_FPS})
    (folder / "frames.json").write_text(json.dumps({"fps": FLY_FPS, "frames": rows}))
    return Material("flies", folder, LabelSet(("fly",), tuple(labels)), taught, held, FLY_FPS)


def _odd(csv_file: Path) -> set[int]:
    """The frames with a box that is not of one whole fly: the truth was tracked, not drawn."""
    with csv_file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    areas = [float(row["w"]) * float(row["h"]) for row in rows]
    least, most = (share * median(areas) for share in ODD)
    return {
        int(row["frame"])
        for row, area in zip(rows, areas, strict=True)
        if int(row["n_keypoints"]) < KEYPOINTS or not least <= area <= most
    }


def mice(folder: Path) -> Material:
    """The labelled frames of a mouse, the last third of the session for judging."""
    source = VISION / "dlc_openfield"
    folder.mkdir(parents=True)
    labels, rows = [], []
    for image in sorted((source / "frames").glob("*.png")):
        number = int(image.stem.removeprefix("img"))
        shutil.copyfile(image, folder / image.name)
        text = (source / "labels_yolo" / f"{image.stem}.txt").read_text()
        boxes = parse_yolo(text, ("mouse",), where=image.name)
        labels.append(FrameLabels.seen(number, image.name, boxes))
        rows.append({"frame": number, "file": image.name, "time_s": number * MOUSE_EVERY_S})
    (folder / "frames.json").write_text(json.dumps({"fps": 1 / MOUSE_EVERY_S, "frames": rows}))
    numbers = tuple(label.frame for label in labels)
    return Material(
        "mouse",
        folder,
        LabelSet(("mouse",), tuple(labels)),
        numbers[:MOUSE_TAUGHT],
        numbers[MOUSE_TAUGHT + MOUSE_GAP :],
        1 / MOUSE_EVERY_S,
    )
