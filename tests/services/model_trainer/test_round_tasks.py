"""Two rounds through the tasks of the trainer, with real trainings, storage and database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.model_trainer import tasks
from services.model_trainer.repository import model_of
from services.model_trainer.schemas import TrainingJob
from shared.db.learning_models import Dataset
from shared.events.learning_settings import LabelSource
from shared.flow.claims import WorkRef
from shared.flow.work import Run
from shared.labels.boxes import LabelSet
from shared.labels.folder import write_label_folder
from shared.progress.report import silent
from shared.storage.trees import keep_folder
from tests.services.model_trainer.squares import FAST, render
from tests.shared.web.door import Door

VIDEO = "c" * 64


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, base_weights: Path) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data"), global_weights=str(base_weights)) as opened:
        yield opened


def keep_labels(door: Door, task_id: str, *, first: int, count: int) -> LabelSource:
    """`count` labelled frames, three seconds apart, of which the first lies at `first` seconds."""
    storage = door.platform.storage
    frames, labels = f"frames/{task_id}", f"labels/{task_id}"
    whole = render(storage.local(frames), [[0], [0], [], [0]] * 10, step_s=3.0)
    chosen = whole.frames[first // 3 : first // 3 + count]
    names = {frame.file for frame in chosen}
    for image in storage.local(frames).glob("*.jpg"):
        if image.name not in names:
            image.unlink()
    listing = storage.local(frames) / "frames.json"
    rows = [row for row in json.loads(listing.read_text())["frames"] if row["file"] in names]
    listing.write_text(json.dumps({"fps": 100, "frames": rows}))
    write_label_folder(storage.local(labels), LabelSet(whole.classes, chosen))
    keep_folder(storage, frames)
    keep_folder(storage, labels)
    return LabelSource(labeling_path=labels, frame_path=frames, video_sha256=VIDEO)


ALL = (tasks.build_dataset, tasks.train, tasks.evaluate, tasks.store_model)


def trained(
    door: Door, task_id: str, source: LabelSource, *, steps: Any = ALL, **more: Any
) -> TrainingJob:
    """The four tasks of the step, each getting what the one before returned."""
    user = door.user_id("ann")
    names = {"pipeline": "vision", "step": "model_training", "step_run_id": 1, "attempt": 1}
    ref = WorkRef(task_id=task_id, user_id=user, token="t", **names)
    run = Run(door.platform, ref, silent, 1)
    job = TrainingJob(task_id=task_id, user_id=user, training=FAST, **source.model_dump(), **more)
    for step in steps:
        job = step.function(TrainingJob.model_validate_json(job.model_dump_json()), run)
    return job


@pytest.fixture(scope="module")
def rounds(door: Door) -> tuple[TrainingJob, TrainingJob]:
    root, later = door.submit("ann"), door.submit("ann")
    first_labels = keep_labels(door, root, first=0, count=24)
    first = trained(door, root, first_labels)
    second = trained(
        door,
        later,
        keep_labels(door, later, first=72, count=8),
        root_task_id=root,
        round=2,
        earlier=[first_labels],
        current_model=f"{first.model}/{first.version}",
    )
    return first, second


def test_both_rounds_are_versions_of_the_first_tasks_model(door, rounds):
    first, second = rounds
    assert first.model == second.model == f"task-{first.task_id}"
    assert (first.version, second.version) == (1, 2)
    assert first.base["name"] == "global"
    assert second.base == {"name": f"{first.model}/1", "sha256": first.weights_sha256}
    with door.platform.reads() as session:
        stored = model_of(session, second.task_id)
        assert (stored.version, stored.state) == (2, "CANDIDATE")


def test_the_frozen_frames_of_round_one_judge_round_two(door, rounds):
    first, second = rounds
    local = door.platform.storage.local
    splits = [local(f"{job.work}/data/train_test_split.txt").read_text() for job in rounds]
    judges = [[row for row in text.splitlines() if row.startswith("val")] for text in splits]
    assert judges[0] == judges[1] != []
    assert local(f"train_log/{first.task_id}/frozen.json").is_file()
    assert not local(f"train_log/{second.task_id}/frozen.json").exists()
    assert second.metrics["frames"] == first.metrics["frames"] == len(judges[0])
    assert second.metrics["leakage"] == 0


def test_the_new_version_is_compared_with_the_current_one(rounds):
    first, second = rounds
    assert first.metrics["comparison"]["against"] == "global"
    comparison = second.metrics["comparison"]
    assert comparison["against"] == f"{first.model}/1"
    assert comparison["map50_95"]["other"] == pytest.approx(
        first.metrics["user"]["map50_95"], abs=0.002
    )
    assert comparison["sentence"].startswith("mAP50-95 ")


def test_the_learning_curve_has_a_point_a_round(rounds):
    curve = rounds[1].metrics["learning_curve"]
    assert [point["round"] for point in curve] == [1, 2]
    assert curve[0]["frames"] < curve[1]["frames"]


def test_each_round_is_a_version_of_the_data_set(door, rounds):
    first = rounds[0]
    with door.platform.reads() as session:
        for job in rounds:
            row = session.get_one(Dataset, (first.task_id, job.dataset_version))
            assert row.task_id == job.task_id
        assert row.parent_sha256 == first.dataset_version


def test_pictures_lie_beside_the_training(door, rounds):
    kept = door.platform.storage.list(f"{rounds[1].work}/evaluation")
    assert {Path(key).name for key in kept} >= {
        "confusion.png",
        "frames.png",
        "learning_curve.png",
        "precision_recall.png",
        "predictions.json",
    }


def test_round_one_trained_again_with_more_labels_keeps_the_frames_that_judge(door, rounds):
    first = rounds[0]
    frozen = door.platform.storage.local(f"train_log/{first.task_id}/frozen.json")
    before = frozen.read_text()
    more = keep_labels(door, f"{first.task_id}-more", first=0, count=36)
    built = trained(door, first.task_id, more, steps=(tasks.build_dataset,))
    assert built.dataset_version != first.dataset_version
    assert frozen.read_text() == before
