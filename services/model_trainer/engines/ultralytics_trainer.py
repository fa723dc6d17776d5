"""Trains YOLO detectors with ultralytics, in this process, and goes on after a kill.

work/run/            what ultralytics writes while it trains
work/checkpoints/    whole copies to go on from (see checkpoints.py)
work/model.pt, results.csv, results.png, trained.json    the outcome; trained.json comes last
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.model_trainer.engines.checkpoints import Checkpoint, Checkpoints
from services.model_trainer.engines.curves import draw_curves
from services.model_trainer.engines.dataset import Dataset
from services.model_trainer.engines.epoch_table import keep_epochs, map50_95_of
from services.model_trainer.engines.port import Trained
from services.model_trainer.engines.recipe import average_steps, epochs_for, overrides
from services.model_trainer.engines.training_watch import TrainingWatch
from services.model_trainer.engines.ultralytics_setup import prepare_ultralytics, told_when_damaged
from services.model_trainer.engines.verdict import doubts, why_best
from services.model_trainer.errors import TrainingFailed, WeightsDamaged
from shared.events.settings import TrainingSettings
from shared.progress.report import Report, silent

OUTCOME = "trained.json"
log = logging.getLogger(__name__)


class UltralyticsTrainer:
    """The `Trainer` of `port.py` on ultralytics; CUDA where torch sees it, else all CPU cores."""

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        """`device` is torch's name (None: choose); `threads` for CPU work (None: all we may use)."""
        self.device = device
        self.threads = threads

    def train(
        self,
        dataset: Dataset,
        weights: Path,
        settings: TrainingSettings,
        *,
        work: Path,
        report: Report = silent,
    ) -> Trained:
        """See `Trainer.train`."""
        work = work.resolve()
        epochs = epochs_for(settings, len(dataset.train))
        settings = settings.model_copy(update={"epochs": epochs})
        fingerprint = _fingerprint(dataset, weights, settings)
        done = _outcome(work, fingerprint)
        if done is not None:
            report(1.0, done.why)
            return done
        prepare_ultralytics(work.parent / ".ultralytics")
        checkpoints = Checkpoints(work / "checkpoints", fingerprint)
        start = checkpoints.newest()
        if start is None or not start.last:
            if start is not None:
                message = f"going on after epoch {start.epoch} of {epochs}"
                report(start.epoch / epochs, message)
            watch = TrainingWatch(
                checkpoints,
                start,
                epochs=epochs,
                threads=self.threads or _cores(),
                report=report,
            )
            told = {
                **overrides(settings, epochs),
                **self._settings(settings),
                "data": str(dataset.yaml.resolve()),
                **_start(work, weights, checkpoints, start),
            }
            _run(told, watch)
        trained = _finish(work, checkpoints, epochs, settings.patience)
        _store_outcome(work, fingerprint, trained)
        return trained

    def _settings(self, settings: TrainingSettings) -> dict[str, Any]:
        import torch

        device = self.device or ("0" if torch.cuda.is_available() else "cpu")
        # mixed precision by float16 would first download a model to test itself; bfloat16 does not
        bfloat16 = device not in {"cpu", "mps"} and torch.cuda.is_bf16_supported()
        return {
            "imgsz": settings.imgsz,
            "batch": settings.batch,
            "patience": settings.patience,
            "freeze": settings.freeze or None,
            "seed": settings.seed,
            "device": device,
            "amp": "bf16" if bfloat16 else False,
            "workers": 0,  # a worker of the queue is a daemon and may not have children
            "plots": False,
            "verbose": False,
        }


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _fingerprint(dataset: Dataset, weights: Path, settings: TrainingSettings) -> str:
    """Of all that decides the outcome: only checkpoints of the same training are gone on from."""
    if not weights.is_file():
        raise WeightsDamaged(f"There are no weights at {weights}. Choose others, or restore them.")
    parts = [dataset.sha256, _sha256(weights), settings.model_dump_json()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _start(
    work: Path, weights: Path, checkpoints: Checkpoints, start: Checkpoint | None
) -> dict[str, Any]:
    """Where to start: from `weights` in an empty run folder, or from a whole checkpoint."""
    run = work / "run"
    if start is None:
        checkpoints.clear()
        shutil.rmtree(run, ignore_errors=True)
        return {"model": str(weights.resolve()), "save_dir": str(run), "pretrained": True}
    checkpoints.forget_after(start.epoch)
    keep_epochs(run / "results.csv", start.epoch)
    last = run / "weights" / "last.pt"
    last.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoints.file(start.epoch), last)
    return {"model": str(last), "resume": str(last), "save_dir": str(run)}


def _run(told: dict[str, Any], watch: TrainingWatch) -> None:
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils.callbacks import get_default_callbacks

    class Run(DetectionTrainer):
        def setup_model(self) -> Any:
            with told_when_damaged(Path(told["model"])):
                return super().setup_model()

        def final_eval(self) -> None:
            """Not here: evaluation is a step of its own, and the best model is stripped below."""

    callbacks: Any = get_default_callbacks()
    for event, ours in watch.callbacks.items():
        callbacks[event].extend(ours)
    callbacks["on_train_start"].append(average_steps)
    try:
        Run(overrides=told, _callbacks=callbacks).train()
    except RuntimeError as error:
        message = str(error).lower()
        if "out of memory" in message:
            raise TrainingFailed(
                f"Not enough memory for batches of {told['batch']} images of "
                f"{told['imgsz']} pixels. Lower `batch` or `imgsz`."
            ) from error
        if "froze the entire model" in message:
            raise TrainingFailed(
                f"`freeze` = {told['freeze']} leaves nothing to train. Lower it."
            ) from error
        if "nan" in message:
            raise TrainingFailed(
                "The loss became infinite, again and again. Look for wrong labels, "
                "or raise `batch`; then train again."
            ) from error
        raise


def _finish(work: Path, checkpoints: Checkpoints, planned: int, patience: int) -> Trained:
    """Turn the best checkpoint into model.pt, and say which one it is and why."""
    newest, best = checkpoints.newest(), checkpoints.best()
    if newest is None or best is None:
        raise TrainingFailed(
            f"No checkpoint in {checkpoints.folder} is whole after training. "
            "Look at the disk, then retry the step."
        )
    model, table = work / "model.pt", work / "results.csv"
    _strip(checkpoints.file(best.epoch), model)
    shutil.copyfile(work / "run" / "results.csv", table)
    _plot(table)
    return Trained(
        weights=model,
        sha256=_sha256(model),
        results_csv=table,
        epochs=newest.epoch,
        planned=planned,
        best_epoch=best.epoch,
        best_map50_95=best.fitness,
        why=why_best(
            best,
            newest,
            planned=planned,
            patience=patience,
            last_map50_95=map50_95_of(table, newest.epoch),
        ),
        seconds=newest.seconds,
        warnings=doubts(best, newest),
    )


def _strip(checkpoint: Path, model: Path) -> None:
    from ultralytics.utils.torch_utils import strip_optimizer

    temporary = model.with_name("model.part.pt")
    if not strip_optimizer(checkpoint, str(temporary)):
        raise TrainingFailed(f"The checkpoint {checkpoint} cannot be read. Retry the step.")
    temporary.replace(model)


def _plot(table: Path) -> None:
    try:
        draw_curves(table, table.with_suffix(".png"))
    except Exception:  # a picture is no reason to lose a trained model
        log.warning("no plot could be made of %s", table, exc_info=True)


def _outcome(work: Path, fingerprint: str) -> Trained | None:
    """What an earlier call of the same training left, if it is whole."""
    try:
        content = json.loads((work / OUTCOME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    model, table = work / "model.pt", work / "results.csv"
    if content.pop("fingerprint") != fingerprint or not model.is_file() or not table.is_file():
        return None
    content |= {"weights": model, "results_csv": table, "warnings": tuple(content["warnings"])}
    trained = Trained(**content)
    return trained if _sha256(model) == trained.sha256 else None


def _store_outcome(work: Path, fingerprint: str, trained: Trained) -> None:
    content = {**asdict(trained), "fingerprint": fingerprint}
    del content["weights"], content["results_csv"]
    temporary = work / (OUTCOME + ".part")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(work / OUTCOME)
    shutil.rmtree(work / "checkpoints", ignore_errors=True)
    shutil.rmtree(work / "run" / "weights", ignore_errors=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
