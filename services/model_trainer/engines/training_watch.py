"""What happens between the batches and epochs of ultralytics: progress, cancelling, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from services.model_trainer.engines.checkpoints import Checkpoint, Checkpoints
from shared.progress.report import Report

TRAINING_SHARE = 0.9  # of an epoch's time; the rest is validation
FIGURES = {
    "box_loss": "train/box_loss",
    "cls_loss": "train/cls_loss",
    "dfl_loss": "train/dfl_loss",
    "map50": "metrics/mAP50(B)",
    "map50_95": "metrics/mAP50-95(B)",
}


class TrainingWatch:
    """Follows one run. An exception of `report` passes through ultralytics and ends the run."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        start: Checkpoint | None,
        *,
        epochs: int,
        threads: int,
        report: Report,
    ) -> None:
        self.checkpoints = checkpoints
        self.best_epoch = start.best_epoch if start else 1
        self.seconds = start.seconds if start else 0.0
        self.epochs = epochs
        self.threads = threads
        self.report = report
        self.began = time.monotonic()
        self.batch = 0
        self.fraction = 0.0

    @property
    def callbacks(self) -> dict[str, list[Callable[[Any], None]]]:
        """By the names of ultralytics; each gets its trainer (or validator)."""
        return {
            "on_pretrain_routine_start": [self._use_all_cores],
            "on_train_epoch_start": [self._start_epoch],
            "on_train_batch_end": [self._tell_batch],
            "on_val_batch_end": [self._tell_validation],
            "on_model_save": [self._keep],
            "on_fit_epoch_end": [self._tell_epoch],
        }

    def _use_all_cores(self, _run: Any) -> None:
        import torch

        torch.set_num_threads(self.threads)  # ultralytics leaves one core idle

    def _start_epoch(self, run: Any) -> None:
        self.began = time.monotonic()
        self.batch = 0
        self._tell(run, 0.0)

    def _tell_batch(self, run: Any) -> None:
        self.batch += 1
        self._tell(run, TRAINING_SHARE * self.batch / max(len(run.train_loader), self.batch))

    def _tell_validation(self, _validator: Any) -> None:
        self.report(self.fraction, "validating")  # a chance to cancel

    def _keep(self, run: Any) -> None:
        if run.best_fitness == run.fitness:
            self.best_epoch = run.epoch + 1
        self.checkpoints.add(
            run.last,
            epoch=run.epoch + 1,
            best_epoch=self.best_epoch,
            last=bool(run.stop),
            fitness=float(run.fitness),
            seconds=self.seconds + time.monotonic() - self.began,
        )

    def _tell_epoch(self, run: Any) -> None:
        seconds = time.monotonic() - self.began
        self.seconds += seconds
        measured = {**run.label_loss_items(run.tloss), **run.metrics}
        figures = {name: float(measured[key]) for name, key in FIGURES.items() if key in measured}
        self._tell(run, 1.0, epoch=run.epoch + 1, epochs=self.epochs, seconds=seconds, **figures)

    def _tell(self, run: Any, part: float, **figures: float) -> None:
        self.fraction = min((run.epoch + part) / self.epochs, 1.0)
        self.report(self.fraction, f"epoch {run.epoch + 1} of {self.epochs}", **figures)
