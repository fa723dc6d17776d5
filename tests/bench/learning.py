"""`python -m tests.bench.learning`: what N labelled frames give, against plain `yolo train`.

The truth plays the annotator. Every row trains on the same N frames and is scored on the same later
frames of the video, which no row may teach. `ours` is the project's recipe from the shipped global
weights; it picks its best epoch on the judging frames, as a round does, which flatters it a little.
`plain` is `yolo train` with its defaults on a random split of the same N frames, from the same
weights and from scratch (yolo11n, stopped after the time the goal grants). Minutes are those of
two free cores: CPU seconds / 120, which other work on the machine does not change. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.port import trainer
from shared.events.settings import TrainingSettings
from tests.bench import learning_material as material
from tests.bench.plain import ultralytics

WEIGHTS = Path(__file__).resolve().parents[2] / "triton_models" / "global" / "model.pt"
SCRATCH = "yolo11n.yaml"
GOALS = {("flies", 60): 0.985, ("flies", 30): 0.95}  # mAP50
MINUTES = 4.0  # on two cores
CORES = 2
PLAIN_VAL = 0.2
SIDES = ("global", "ours", "plain", "scratch")


@dataclass(frozen=True)
class Wish:
    """One row."""

    data: str
    frames: int
    side: str
    settings: TrainingSettings
    whole: bool  # also frames with a fragment in the truth
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came out of it."""

    map50: float
    map50_95: float
    cpu_s: float
    wall_s: float


def measure(wish: Wish, folder: Path) -> Outcome:
    """Train and score one row in this process."""
    from services.model_trainer.engines.evaluate import evaluate

    what = material.mice if wish.data == "mouse" else material.flies
    more = {"whole": True} if wish.whole and wish.data == "flies" else {}
    scene = what(folder / "frames", **more)
    data = scene.dataset(scene.chosen(wish.frames), wish.settings, folder / "work")
    begun, cpu = time.monotonic(), time.process_time()
    if wish.side == "global":
        weights = WEIGHTS
    elif wish.side == "ours":
        trained = trainer().train(data, WEIGHTS, wish.settings, work=data.work, report=_Epochs())
        weights = trained.weights
    else:
        start = SCRATCH if wish.side == "scratch" else str(WEIGHTS)
        weights = _train_plainly(data, start, wish, folder / "plain")
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    score = evaluate(weights, data, imgsz=wish.settings.imgsz, class_agnostic=True)
    return Outcome(score.map50, score.map50_95, cpu, seconds)


class _Epochs:
    """Tells each epoch on stderr, so that a run that is cut short has shown how far it came."""

    def __init__(self) -> None:
        self.begun = time.process_time()

    def __call__(self, _fraction: float, _message: str = "", **figures: float) -> None:
        if "epoch" in figures:
            minutes = (time.process_time() - self.begun) / 60 / CORES
            sys.stderr.write(
                f"epoch {figures['epoch']:.0f}: mAP50 {figures['map50']:.3f}, "
                f"mAP50-95 {figures['map50_95']:.3f}, {minutes:.2f} min of two cores\n"
            )


def _train_plainly(data: Dataset, start: str, wish: Wish, folder: Path) -> Path:
    """`yolo train` as it comes, on a random split of the frames that teach; its best checkpoint."""
    images = sorted((data.work / "data" / "images" / "train").iterdir())
    random.Random(wish.seed).shuffle(images)
    cut = max(round(len(images) * PLAIN_VAL), 1)
    folder.mkdir()
    for name, part in (("val", images[:cut]), ("train", images[cut:])):
        (folder / f"{name}.txt").write_text("".join(f"{image.resolve()}\n" for image in part))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(data.classes))
    yaml = folder / "data.yaml"
    yaml.write_text(f"path: {folder}\ntrain: train.txt\nval: val.txt\nnames:\n{names}")
    limits = {"time": MINUTES / 60} if wish.side == "scratch" else {"epochs": wish.settings.epochs}
    model = ultralytics(folder / "config").YOLO(start)
    model.train(
        data=str(yaml),
        imgsz=wish.settings.imgsz,
        project=str(folder),
        name="run",
        workers=0,
        plots=False,
        verbose=False,
        device="cpu",
        seed=wish.seed,
        **limits,
    )
    return folder / "run" / "weights" / "best.pt"


def line(wish: Wish, found: Outcome) -> str:
    """A row of the table."""
    goal = GOALS.get((wish.data, wish.frames)) if wish.side == "ours" else None
    minutes = found.cpu_s / 60 / CORES
    if goal is None:
        verdict = "-"
    else:
        met = found.map50 >= goal and minutes <= MINUTES
        verdict = f"{goal:g} in {MINUTES:g} min: {'pass' if met else 'miss'}"
    epochs = {"global": "-", "scratch": f"{MINUTES:g} min"}.get(
        wish.side, str(wish.settings.epochs)
    )
    return (
        f"| {wish.data} | {0 if wish.side == 'global' else wish.frames} | {wish.side} | {epochs} | "
        f"{found.map50:.3f} | {found.map50_95:.3f} | {minutes:.1f} | {found.wall_s / 60:.1f} | "
        f"{verdict} |"
    )


def main() -> int:
    """Measure each row in a process of its own and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.learning",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", nargs="+", choices=("flies", "mouse"), default=["flies", "mouse"])
    parser.add_argument("--frames", nargs="+", type=int, default=[30, 60])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--epochs", type=int, help="instead of the default of the settings")
    parser.add_argument("--imgsz", type=int, default=256, help="pixels")
    parser.add_argument("--whole", action="store_true", help="also frames with broken truth")
    parser.add_argument("--quick", action="store_true", help="two epochs: whether it runs at all")
    given = parser.parse_args()
    if not material.VISION.is_dir():
        parser.error(f"the frames are not at {material.VISION}")
    os.environ.setdefault("YOLO_OFFLINE", "1")
    epochs = 2 if given.quick else given.epochs
    settings = TrainingSettings(imgsz=given.imgsz, **({"epochs": epochs} if epochs else {}))
    sides = [s for s in given.sides if s != "scratch"] if given.quick else given.sides
    _say("| data | frames | side | epochs | mAP50 | mAP50-95 | min, 2 cores | min, wall | goal |")
    _say("|---|---|---|---|---|---|---|---|---|")
    for data in given.data:
        counts = dict.fromkeys(
            min(n, material.MOUSE_TAUGHT) if data == "mouse" else n for n in given.frames
        )
        for position, frames in enumerate(counts):
            for side in sides:
                if side == "global" and position:
                    continue  # it does not depend on the frames
                wish = Wish(data, frames, side, settings, given.whole)
                with (
                    tempfile.TemporaryDirectory(prefix="learning-") as folder,
                    ProcessPoolExecutor(1, get_context("spawn")) as process,
                ):
                    _say(line(wish, process.submit(measure, wish, Path(folder)).result()))
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the table


if __name__ == "__main__":
    sys.exit(main())
