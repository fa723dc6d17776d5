"""`python -m tests.bench.learning`: what N labelled frames give, against plain `yolo train`.

The truth plays the annotator. Every row trains on N frames and is scored on the same later frames of
the video, which no row may teach. `ours` is the project's recipe from the shipped global weights on
frames spread evenly, `random` the same on frames drawn at random. Both pick their best epoch on the
frames that judge, as a round does, which flatters them a little; so the last epoch, which nobody
picked, stands beside it. In some frames of the flies the truth is broken (a part of a fly, or two
in one box): they neither teach nor judge, but what mAP50 would be with them among the judges is told.
`plain` is `yolo train` with its defaults on a random split of the evenly spread frames, from the same
weights for as many epochs; `scratch` the same with yolo11n from scratch, for as many epochs as the
time of the goal grants. Minutes are those of two free cores: CPU seconds / 120, which other work on
the machine hardly changes. Prints Markdown.
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
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.epoch_table import read_epochs
from services.model_trainer.engines.port import trainer
from services.model_trainer.engines.recipe import epochs_for
from shared.events.settings import TrainingSettings
from tests.bench import learning_material as material
from tests.bench.plain import ultralytics

WEIGHTS = Path(__file__).resolve().parents[2] / "triton_models" / "global" / "model.pt"
SCRATCH = "yolo11n.yaml"
GOALS = {("flies", 60): 0.985, ("flies", 30): 0.95}  # mAP50
MINUTES = 4.0  # on two cores
CORES = 2
PLAIN_VAL = 0.2
PLANNED_AFTER = 2  # epochs, of which the time of the others is known
SIDES = ("global", "ours", "random", "plain", "scratch")
TAUGHT_HERE = ("ours", "random")


@dataclass(frozen=True)
class Wish:
    """One row."""

    data: str
    frames: int
    side: str
    settings: TrainingSettings
    whole: bool  # also frames with a fragment in the truth

    @property
    def epochs(self) -> int:
        """Of the recipe."""
        return epochs_for(self.settings, self.frames)


@dataclass(frozen=True)
class Outcome:
    """What came out of it."""

    map50: float
    map50_95: float
    last_map50: float | None  # of the last epoch
    whole_map50: float | None  # with the frames whose truth is broken among those that judge
    epochs: int  # that were run
    cpu_s: float
    wall_s: float


def measure(wish: Wish, folder: Path) -> Outcome:
    """Train and score one row in this process."""
    from services.model_trainer.engines.evaluate import evaluate

    what = material.mice if wish.data == "mouse" else material.flies
    more = {"whole": True} if wish.whole else {}
    scene = what(folder / "frames", **more)
    numbers = scene.chosen(wish.frames)
    if wish.side == "random":
        numbers = scene.drawn(wish.frames, wish.settings.seed)
    data = scene.dataset(numbers, wish.settings, folder / "work")
    begun, cpu = time.monotonic(), time.process_time()
    weights, table, epochs = WEIGHTS, None, 0
    if wish.side in TAUGHT_HERE:
        trained = trainer().train(data, WEIGHTS, wish.settings, work=data.work, report=_Epochs())
        weights, table = trained.weights, read_epochs(trained.results_csv)
    elif wish.side != "global":
        start = SCRATCH if wish.side == "scratch" else str(WEIGHTS)
        weights, epochs = _train_plainly(data, start, wish, folder / "plain")
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    score = evaluate(weights, data, imgsz=wish.settings.imgsz, class_agnostic=True)
    last = table[-1]["metrics/mAP50(B)"] if table else None
    done = len(table) if table else epochs
    everything = None
    if wish.data == "flies" and not wish.whole:
        broken = material.flies(folder / "all frames", whole=True)
        judges = broken.dataset(numbers, wish.settings, folder / "judged by all")
        everything = evaluate(weights, judges, imgsz=wish.settings.imgsz, class_agnostic=True).map50
    return Outcome(score.map50, score.map50_95, last, everything, done, cpu, seconds)


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


def _train_plainly(data: Dataset, start: str, wish: Wish, folder: Path) -> tuple[Path, int]:
    """`yolo train` as it comes, on a random split of the frames that teach.

    Its best checkpoint, and the epochs it made.
    """
    images = sorted((data.work / "data" / "images" / "train").iterdir())
    random.Random(wish.settings.seed).shuffle(images)
    cut = max(round(len(images) * PLAIN_VAL), 1)
    folder.mkdir()
    for name, part in (("val", images[:cut]), ("train", images[cut:])):
        (folder / f"{name}.txt").write_text("".join(f"{image.resolve()}\n" for image in part))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(data.classes))
    yaml = folder / "data.yaml"
    yaml.write_text(f"path: {folder}\ntrain: train.txt\nval: val.txt\nnames:\n{names}")
    model = ultralytics(folder / "config").YOLO(start)
    if wish.side == "scratch":
        model.add_callback("on_fit_epoch_end", _Budget())
    model.train(
        data=str(yaml),
        imgsz=wish.settings.imgsz,
        epochs=wish.epochs,
        project=str(folder),
        name="run",
        workers=0,
        plots=False,
        verbose=False,
        device="cpu",
        seed=wish.settings.seed,
    )
    run = folder / "run"
    return run / "weights" / "best.pt", len(read_epochs(run / "results.csv"))


class _Budget:
    """Plans as many epochs as the time of the goal grants, as the setting `time` of ultralytics.

    That one counts seconds on the clock, of which other work on the machine takes its share.
    """

    def __init__(self) -> None:
        self.begun = time.process_time()

    def __call__(self, run: Any) -> None:
        done = run.epoch + 1
        if done == PLANNED_AFTER:
            each = (time.process_time() - self.begun) / done
            run.epochs = run.args.epochs = max(int(MINUTES * 60 * CORES / each), done + 1)
            run._setup_scheduler()
            run.scheduler.last_epoch = run.epoch


def line(wish: Wish, found: Outcome) -> str:
    """A row of the table."""
    goal = GOALS.get((wish.data, wish.frames)) if wish.side == "ours" else None
    minutes = found.cpu_s / 60 / CORES
    if goal is None:
        verdict = "-"
    else:
        met = found.map50 >= goal and minutes <= MINUTES
        verdict = f"{goal:g} in {MINUTES:g} min: {'pass' if met else 'miss'}"
    last, everything = (
        "-" if each is None else f"{each:.3f}" for each in (found.last_map50, found.whole_map50)
    )
    return (
        f"| {wish.data}{', all' if wish.whole else ''} | {0 if wish.side == 'global' else wish.frames} "
        f"| {wish.side} | {found.epochs or '-'} | {found.map50:.3f} | {last} | {everything} | "
        f"{found.map50_95:.3f} | {minutes:.1f} | {found.wall_s / 60:.1f} | {verdict} |"
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
    parser.add_argument("--epochs", type=int, help="instead of those of the recipe")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="a row for each")
    parser.add_argument("--imgsz", type=int, default=256, help="pixels")
    parser.add_argument("--whole", action="store_true", help="teach and judge by broken truth too")
    parser.add_argument("--quick", action="store_true", help="two epochs: whether it runs at all")
    given = parser.parse_args()
    if not material.VISION.is_dir():
        parser.error(f"the frames are not at {material.VISION}")
    os.environ.setdefault("YOLO_OFFLINE", "1")
    epochs = 2 if given.quick else given.epochs
    sides = [s for s in given.sides if s != "scratch"] if given.quick else given.sides
    _say(
        "| data | frames | side | epochs | mAP50 | last epoch | broken truth too | mAP50-95 "
        "| min, 2 cores | min, wall | goal |"
    )
    _say("|---|---|---|---|---|---|---|---|---|---|---|")
    for data in given.data:
        counts = dict.fromkeys(
            min(n, material.MOUSE_TAUGHT) if data == "mouse" else n for n in given.frames
        )
        for position, frames in enumerate(counts):
            for side, seed in product(sides, given.seeds):
                if side == "global" and (position or seed != given.seeds[0]):
                    continue  # it depends on neither
                settings = TrainingSettings(imgsz=given.imgsz, epochs=epochs, seed=seed)
                wish = Wish(data, frames, side, settings, given.whole and data == "flies")
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
