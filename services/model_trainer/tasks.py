"""Labels to data set, data set to detector, detector to registry."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from services.model_trainer import repository, round_views, triggers
from services.model_trainer.schemas import TrainingJob
from shared.events.learning_settings import LabelSource
from shared.flow.work import Run, periodic, task
from shared.labels.folder import read_label_folder
from shared.platform import Platform
from shared.serving.global_weights import global_weights
from shared.storage.trees import fetch_exactly, fetch_folder, keep_exactly, keep_folder
from shared.storage.turns import turn


def _work(run: Run) -> Path:
    folder = run.platform.storage.local(f"train_log/{run.ref.task_id}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@task()
def build_dataset(job: TrainingJob, run: Run) -> TrainingJob:
    """Merge the labels of all rounds, keep the frozen frames apart, and say how much leaks.

    Round one cuts the labelled frames by blocks of time and freezes those that judge. When it runs
    again, maybe with more labels, those judge still: models were compared by them meanwhile.

    Labels that are being imported are waited for, and imports wait until the version is recorded.
    """
    latest = LabelSource(
        labeling_path=job.labeling_path, frame_path=job.frame_path, video_sha256=job.video_sha256
    )
    sources = [*job.earlier, latest]
    platform, folders = run.platform, (source.labeling_path for source in sources)
    with turn(platform.storage, platform.reads, *folders, alone=False):
        return _built(job, run, sources)


def _built(job: TrainingJob, run: Run, sources: Sequence[LabelSource]) -> TrainingJob:
    from services.model_trainer.engines.dataset import build_dataset as build
    from services.model_trainer.engines.dataset_versions import record_version

    storage = run.platform.storage
    frames = fetch_folder(storage, job.frame_path)
    labels = read_label_folder(fetch_folder(storage, job.labeling_path), frames / "frames.json")
    dataset = build(
        frames,
        labels,
        job.training,
        _work(run),
        video=job.video_sha256 or "",
        number=job.round,
        freeze_videos=job.freeze_videos,
        report=run.report,
        **_rounds_before(job, run),
    )
    with run.platform.sessions.begin() as session:
        repository.forget_epochs(session, job.task_id)
    work = f"train_log/{job.task_id}"
    keep_exactly(storage, f"{work}/data")  # who trains may be another machine
    storage.keep(f"{work}/data.yaml")
    dataset.frozen.write(_local(run, f"train_log/{job.root}/frozen.json"))
    storage.keep(f"train_log/{job.root}/frozen.json")
    version = record_version(
        run.platform,
        root_id=job.root,
        task_id=job.task_id,
        user_id=job.user_id,
        sources=sources,
        dataset=dataset,
    )
    run.report(1.0, dataset.summary, leakage=dataset.leakage)
    return job.having(work=work, dataset_version=version)


def _rounds_before(job: TrainingJob, run: Run) -> dict[str, Any]:
    """The labels of the rounds before this one, and the frames that round one froze, if it did."""
    from services.model_trainer.engines.frozen import first_frozen, read_frozen
    from services.model_trainer.engines.merge import Source

    storage = run.platform.storage
    earlier = []
    for number, source in enumerate(job.earlier, start=1):
        frames = fetch_folder(storage, source.frame_path)
        folder = fetch_folder(storage, source.labeling_path)
        labels = read_label_folder(folder, frames / "frames.json")
        earlier.append(Source(frames, labels, source.video_sha256 or "", number))
    key = f"train_log/{job.root}/frozen.json"
    if storage.exists(key):
        frozen = read_frozen(storage.fetch(key))
    elif not earlier:
        return {}
    else:  # trained before validation sets were frozen: the same cut as then
        frozen = first_frozen(earlier[0], val_share=job.training.val_share, seed=job.training.seed)
    return {"earlier": earlier, "frozen": frozen}


def _local(run: Run, key: str) -> Path:
    file = run.platform.storage.local(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


@task()
def train(job: TrainingJob, run: Run) -> TrainingJob:
    """Train from registered weights; after a kill, from the last verified checkpoint."""
    from services.model_trainer.engines.dataset import load_dataset
    from services.model_trainer.engines.port import trainer
    from services.model_trainer.engines.registry import GLOBAL, Registry

    storage = run.platform.storage
    fetch_exactly(storage, f"{job.work}/data")
    storage.fetch(f"{job.work}/data.yaml")
    if job.start != GLOBAL:
        fetch_folder(storage, f"models/{job.start}")
    registry = Registry(storage.local("models/root").parent)
    base = registry.base_weights(job.start, global_weights(run.platform.settings))
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
    """Compare the new, the current and the global model on frames that none was trained on."""
    from services.model_trainer.engines.dataset import load_dataset
    from services.model_trainer.engines.evaluate_report import Rival, judge
    from services.model_trainer.engines.registry import Registry

    storage = run.platform.storage
    dataset = load_dataset(fetch_folder(storage, job.work))
    current = None
    if job.current_model:
        fetch_folder(storage, f"models/{job.current_model}")
        stored = Registry(storage.local("models/root").parent).find(job.current_model)
        lineage = stored.record.lineage
        current = Rival(job.current_model, stored.weights, tuple(lineage.classes), lineage.imgsz)
    history = f"train_log/{job.root}/learning_curve.json"
    judgement = judge(
        "The new model",
        storage.fetch(job.weights),
        dataset,
        imgsz=job.training.imgsz,
        world=Rival("global", global_weights(run.platform.settings)),
        current=current,
        promotion=job.promotion,
        history=json.loads(storage.fetch(history).read_text()) if storage.exists(history) else [],
        out=storage.local(f"{job.work}/evaluation"),
        report=run.report,
    )
    keep_exactly(storage, f"{job.work}/evaluation")
    _local(run, history).write_text(json.dumps(judgement.metrics["learning_curve"], indent=1))
    storage.keep(history)
    user, other = judgement.metrics["user_any_class"], judgement.metrics["global_any_class"]
    run.report(1.0, judgement.message, map50=user["map50"], global_map50=other["map50"])
    warnings = [*dataset.warnings, *job.trained.get("warnings", [])]
    return job.having(
        metrics={**judgement.metrics, "dataset": job.dataset_version, "warnings": warnings}
    )


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
    name = f"task-{job.root}"
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
