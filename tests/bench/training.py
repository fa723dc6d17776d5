"""Training of the user's detector against plain ultralytics with the same settings."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from shared.events.settings import TrainingSettings
from tests.bench import training_side
from tests.bench.rows import Effort, Row, interleaved, ratio, spread

GOAL = 1.05
FRAMES = 32


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """One row: the same data set, weights, seed and settings on both sides, each in a process."""
    settings = TrainingSettings(epochs=effort.of(4, 2), imgsz=effort.of(320, 160), batch=8)
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context) as trainer, ProcessPoolExecutor(1, context) as plain:
        data = trainer.submit(training_side.build, folder, FRAMES, settings).result()

        def ours() -> float:
            work = folder / "training_ours"
            shutil.rmtree(work, ignore_errors=True)
            return trainer.submit(training_side.train, data, settings, work).result()

        def theirs() -> float:
            work = folder / "training_plain"
            shutil.rmtree(work, ignore_errors=True)
            return plain.submit(training_side.train_plainly, data, settings, work).result()

        ours(), theirs()  # imports
        seconds = interleaved(effort.turns(5), {"ours": ours, "plain": theirs}, say)
    measured = ratio(seconds["ours"], seconds["plain"])
    return [
        Row(
            f"training, {FRAMES} frames at {settings.imgsz} px, {settings.epochs} epochs",
            f"at most {GOAL}x the time of plain `yolo train`",
            f"{measured:.2f}x ({spread(seconds['ours'], seconds['plain'])})",
            measured <= GOAL,
            f"{statistics.median(seconds['ours']):.1f} s",
            f"{statistics.median(seconds['plain']):.1f} s",
            "From the same weights, with the same seed, batch, optimizer steps and augmentation, on "
            "the same data set. The last validation, which plain ultralytics does within its run "
            "and the mesh in a step of its own, is in neither figure, nor are the imports.",
        )
    ]
