"""A training and an import of the same labels: whoever comes second waits, and nothing is mixed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import pytest

from services.model_trainer import tasks
from services.model_trainer.schemas import TrainingJob
from shared.flow.claims import WorkRef
from shared.flow.work import Run
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.folder import write_label_folder
from shared.labels.formats.dataset import LabelledPictures, Picture
from shared.labels.formats.table import write
from shared.progress.report import Report, silent
from shared.storage.trees import keep_folder
from shared.storage.turns import turn
from tests.services.model_trainer.squares import FAST, HEIGHT, WIDTH, render
from tests.shared.web.door import Door

MOMENT_S = 0.5  # more than a data set of 24 small frames takes


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture
def labels(door: Door) -> tuple[str, LabelSet]:
    """A task with 24 frames, a square in each."""
    task_id, storage = door.submit("ann", classes=["square"]), door.platform.storage
    found = render(storage.local(f"frames/{task_id}"), [[0]] * 24, step_s=3.0)
    keep_folder(storage, f"frames/{task_id}")
    keep(door, task_id, found)
    return task_id, found


def keep(door: Door, task_id: str, found: LabelSet) -> None:
    write_label_folder(door.platform.storage.local(f"labels/{task_id}"), found)
    keep_folder(door.platform.storage, f"labels/{task_id}")


def empty(found: LabelSet) -> LabelSet:
    """The same frames; somebody has looked at the first six, and they show nothing."""
    frames = [FrameLabels.seen(f.frame, f.file, []) for f in found.frames[:6]]
    return LabelSet(found.classes, (*frames, *found.frames[6:]))


def build(door: Door, task_id: str, report: Report = silent) -> TrainingJob:
    user = door.user_id("ann")
    names = {"pipeline": "vision", "step": "model_training", "step_run_id": 1, "attempt": 1}
    ref = WorkRef(task_id=task_id, user_id=user, token="t", **names)
    job = TrainingJob(
        task_id=task_id,
        user_id=user,
        training=FAST,
        labeling_path=f"labels/{task_id}",
        frame_path=f"frames/{task_id}",
    )
    return tasks.build_dataset.function(job, Run(door.platform, ref, report, 1))


def backgrounds(door: Door, job: TrainingJob) -> int:
    """How many frames without an animal a data set has."""
    folder = door.platform.storage.local(f"{job.work}/data/labels")
    return sum(not text.read_text().strip() for text in Path(folder).rglob("*.txt"))


def test_a_training_waits_for_labels_that_are_being_written(door: Door, labels) -> None:
    task_id, found = labels
    platform = door.platform
    with ThreadPoolExecutor(1) as pool:
        with turn(platform.storage, platform.reads, f"labels/{task_id}"):
            (platform.storage.local(f"labels/{task_id}") / "labels.json").write_text("{")
            training = pool.submit(build, door, task_id)
            assert not wait([training], MOMENT_S).done
            keep(door, task_id, empty(found))
        assert backgrounds(door, training.result(60)) == 6


def test_an_import_waits_until_the_data_set_is_recorded(door: Door, labels) -> None:
    task_id, found = labels
    pictures = tuple(
        Picture(f.file, FrameState.EMPTY, width=WIDTH, height=HEIGHT) for f in found.frames[:6]
    )
    archive = io.BytesIO()
    write("yolo", LabelledPictures(("square",), pictures), archive)
    sent: list[Future[httpx.Response]] = []
    with ThreadPoolExecutor(1) as pool, door.client("ann") as ann:

        def bring() -> httpx.Response:
            return ann.post(
                f"/labels/{task_id}/import",
                params={"format": "yolo", "dry_run": False},
                files={"file": ("labels.zip", archive.getvalue(), "application/zip")},
            )

        def meanwhile(fraction: float, message: str = "", **figures: float) -> None:
            del fraction, message, figures
            if not sent:
                sent.append(pool.submit(bring))
                assert not wait(sent, MOMENT_S).done

        before = build(door, task_id, meanwhile)
        assert sent[0].result(60).raise_for_status().json()["stored"] == 6
    assert backgrounds(door, before) == 0
    after = build(door, task_id)
    assert (backgrounds(door, after), after.dataset_version != before.dataset_version) == (6, True)


def test_trainings_read_the_same_labels_side_by_side(door: Door, labels) -> None:
    task_id, _ = labels
    platform = door.platform
    with turn(platform.storage, platform.reads, f"labels/{task_id}", alone=False):
        assert backgrounds(door, build(door, task_id)) == 0
