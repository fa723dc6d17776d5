"""Labels to data set, data set to detector, detector to registry."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version as package_version
from pathlib import Path

from services.model_trainer import repository, round_views, triggers
from services.model_trainer.schemas import TrainingJob
from shared.flow.work import Run, periodic, task
from shared.labels.folder import read_label_folder
from shared.platform import Platform
from shared.serving.global_weights import global_weights
from shared.storage.trees import fetch_exactly, fetch_folder, keep_exactly, keep_folder


def _work(run: Run) -> Path:
    folder = run.platform.storage.local(f"train_log/{run.ref.task_id}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@task()
def build_dataset(job: TrainingJob, run: Run) -> TrainingJob:
    """Split the labelled frames by blocks of time, and say how much leaks."""
    from services.model_trainer.engines.dataset import build_dataset as build

    storage = run.platform.storage
    frames = fetch_folder(storage, job.frame_path)
    labels = read_label_folder(fetch_folder(storage, job.labeling_path), frames / "frames.json")
    dataset = build(frames, labels, job.training, _work(run), report=run.report)
    with run.platform.sessions.begin() as session:
        repository.forget_epochs(session, job.task_id)
    work = f"train_log/{job.task_id}"
    keep_exactly(storage, f"{work}/data")  # who trains may be another machine
    storage.keep(f"{work}/data.yaml")
    run.report(1.0, dataset.summary, leakage=dataset.leakage)
    return job.having(work=work)


@task()
def train(job: TrainingJob, run: Run) -> TrainingJob:
    """Train from registered weights; after a kill, from the last verified checkpoint."""
    from services.model_trainer.engines.dataset import load_dataset
    from services.model_trainer.engines.port import trainer
    from services.model_trainer.engines.registry import GLOBAL, Registry

    storage = run.platform.storage
    fetch_exactly(storage, f"{job.work}/data")
    storage.fetch(f"{job.work}/data.yaml")
    if job.training.weights != GLOBAL:
        fetch_folder(storage, f"models/{job.training.weights}")
    registry = Registry(storage.local("models/root").parent)
    base = registry.base_weights(job.training.weights, global_weights(run.platform.settings))
    trained = trainer().train(
        load_dataset(_work(run)), base.path, job.training, work=_work(run), report=run.report
    )
    keep_folder(storage, job.work)
    told = dataclasses.asdict(trained)
    del told["weights"], told["results_csv"]
    return job.having(
        weights=f"{job.work}/{trained.weights.name}",
        base={"name": base.name, "sha256": base.sha256},
        trained={**told, "warnings": list(trained.warnings)},
    )


@task()
def evaluate(job: TrainingJob, run: Run) -> TrainingJob:
    """Score the new and the global model on the same frames, which neither was trained on."""
    from services.model_trainer.engines.dataset import load_dataset
    from services.model_trainer.engines.evaluate import evaluate as score

    dataset = load_dataset(fetch_folder(run.platform.storage, job.work))
    size, weights = job.training.imgsz, run.platform.storage.fetch(job.weights)
    own = score(weights, dataset, imgsz=size)
    run.report(0.4, "evaluating without class names")
    agnostic = score(weights, dataset, imgsz=size, class_agnostic=True)
    run.report(0.7, "evaluating the global model")
    other = score(global_weights(run.platform.settings), dataset, imgsz=size, class_agnostic=True)
    metrics = {
        "user": own.figures(),
        "user_any_class": agnostic.figures(),
        "global_any_class": other.figures(),
        "frames": own.frames,
        "boxes": own.boxes,
        "leakage": dataset.leakage,
        "warnings": [*dataset.warnings, *job.trained.get("warnings", [])],
    }
    run.report(
        1.0,
        f"mAP50 {agnostic.map50:.3f} (global model {other.map50:.3f}) on {own.frames} frames, "
        f"leakage {dataset.leakage:.0%}",
        map50=agnostic.map50,
        global_map50=other.map50,
    )
    return job.having(metrics=metrics)


@task()
def store_model(job: TrainingJob, run: Run) -> TrainingJob:
    """Register the model with everything that it came from."""
    from services.model_trainer.engines.dataset import load_dataset
    from services.model_trainer.engines.registry import Lineage, Registry

    storage = run.platform.storage
    dataset = load_dataset(fetch_folder(storage, job.work))
    lineage = Lineage(
        task_id=job.task_id,
        attempt=run.ref.attempt,
        classes=list(dataset.classes),
        imgsz=job.training.imgsz,
        settings=job.training.model_dump(),
        video_sha256=job.video_sha256,
        frames={
            "train": len(dataset.train),
            "val": len(dataset.val),
            "dropped": len(dataset.dropped),
            "unseen": dataset.unseen,
            "backgrounds": dataset.backgrounds,
        },
        labels_sha256=dataset.labels_sha256,
        dataset_sha256=dataset.sha256,
        leakage=dataset.leakage,
        base_weights=job.base["name"],
        base_sha256=job.base["sha256"],
        code_version=_code_version(),
        metrics=job.metrics,
        best_epoch=job.trained["best_epoch"],
        epochs=job.trained["epochs"],
        warnings=job.metrics["warnings"],
    )
    name = f"task-{job.task_id}"
    fetch_folder(storage, f"models/{name}")  # the versions before, whoever made them
    stored = Registry(storage.local("models/root").parent).store(
        name, storage.fetch(job.weights), lineage
    )
    record = stored.record
    path = f"models/{name}/{record.version}"
    keep_folder(storage, path)
    with run.platform.sessions.begin() as session:
        repository.remember_model(
            session,
            name=name,
            version=record.version,
            task_id=job.task_id,
            user_id=job.user_id,
            path=path,
            weights_sha256=record.sha256,
            classes=list(dataset.classes),
            image_size=job.training.imgsz,
            metrics=job.metrics,
            lineage=lineage.model_dump(mode="json"),
        )
    return job.having(
        model_path=path,
        model=name,
        version=record.version,
        weights_sha256=record.sha256,
        image_size=job.training.imgsz,
    )


def _code_version() -> str:
    return f"actverse 0.1.0, ultralytics {package_version('ultralytics')}"


@periodic
def watch_rounds(platform: Platform) -> None:
    """Write down how rounds ended, and begin those that have a reason to begin by themselves."""
    round_views.settle(platform)
    triggers.fire(platform)
