"""What a training engine is, and which ones there are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from services.model_trainer.engines.dataset import Dataset
from shared.errors import Invalid
from shared.events.settings import TrainingSettings
from shared.progress.report import Report

ENGINES = {
    "ultralytics": "services.model_trainer.engines.ultralytics_trainer:UltralyticsTrainer",
}


@dataclass(frozen=True)
class Trained:
    """The outcome of one training; all files lie under the training's work folder."""

    weights: Path  # model.pt of the best epoch, without the optimizer's state
    sha256: str  # of `weights`
    results_csv: Path  # a row an epoch: losses, precision, recall, mAP50, mAP50-95
    epochs: int  # that were run, over all attempts
    planned: int  # that were asked for; more than `epochs` when patience ended the training
    best_epoch: int  # from 1
    best_map50_95: float  # on the validation frames, 0..1
    why: str  # why this epoch is the best, a sentence
    seconds: float  # spent in epochs, over all attempts
    warnings: tuple[str, ...]


class Trainer(Protocol):
    """Trains a detector; the same call after a kill goes on where the last one was stopped."""

    def train(
        self,
        dataset: Dataset,
        weights: Path,
        settings: TrainingSettings,
        *,
        work: Path,
        report: Report,
    ) -> Trained:
        """Train on `dataset` from `weights` and leave model.pt, results.csv, results.png in `work`.

        `weights` come from the registry or from the operator's settings, and the caller has
        compared their sha256 with the record: a file of a user never reaches an engine, because
        weights are pickles. `report` gets epoch, epochs, box_loss, cls_loss, dfl_loss, map50,
        map50_95 and seconds (of the epoch) after each epoch, and the fraction in between; what it
        raises (Cancelled) ends the training at once and leaves checkpoints to go on from.
        Raises `WeightsDamaged`, `TrainingFailed`.
        """
        ...


def trainer(name: str = "ultralytics") -> Trainer:
    """The engine of that name; its libraries are imported here, not before."""
    if name not in ENGINES:
        raise Invalid(f"There is no training engine {name}. Known: {', '.join(ENGINES)}.")
    module, _, engine = ENGINES[name].partition(":")
    return getattr(import_module(module), engine)()
