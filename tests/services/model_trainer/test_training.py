"""Real trainings of a tiny network, on the processor."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.model_trainer.engines.dataset import Dataset, build_dataset
from services.model_trainer.engines.epoch_table import read_epochs
from services.model_trainer.engines.evaluate import evaluate
from services.model_trainer.engines.port import trainer
from services.model_trainer.engines.ultralytics_trainer import UltralyticsTrainer
from services.model_trainer.errors import TrainingFailed, WeightsDamaged
from shared.errors import Cancelled, Invalid
from tests.services.model_trainer.squares import FAST, Recorded, render

ROOT = Path(__file__).parents[3]
FOUR = FAST.model_copy(update={"epochs": 4})

CHILD = """
import sys, time
from pathlib import Path
from services.model_trainer.engines.dataset import load_dataset
from services.model_trainer.engines.ultralytics_trainer import UltralyticsTrainer
from shared.events.settings import TrainingSettings

work, weights = Path(sys.argv[1]), Path(sys.argv[2])

def stop_in_the_third_epoch(fraction, message="", **figures):
    if message == "epoch 3 of 4" and fraction > 0.6:
        (work / "in_the_middle").touch()
        time.sleep(60)

settings = TrainingSettings(epochs=4, imgsz=64, batch=8)
UltralyticsTrainer(device="cpu", threads=1).train(
    load_dataset(work), weights, settings, work=work, report=stop_in_the_third_epoch
)
"""


def engine() -> UltralyticsTrainer:
    return UltralyticsTrainer(device="cpu", threads=1)


def build(folder: Path, contents=([0], [0], [], [0]) * 5) -> Dataset:
    labels = render(folder / "frames", contents, step_s=3.0)
    return build_dataset(folder / "frames", labels, FAST, folder / "work")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, base_weights):
    dataset = build(tmp_path_factory.mktemp("trained"), ([0], [0, 1], [], [0, 1]) * 5)
    report = Recorded()
    result = engine().train(dataset, base_weights, FAST, work=dataset.work, report=report)
    return dataset, result, report


def test_each_epoch_is_reported_with_its_figures(trained):
    _, result, report = trained
    assert [figures["epoch"] for figures in report.epochs] == [1, 2, 3]
    for figures, row in zip(report.epochs, read_epochs(result.results_csv), strict=True):
        assert figures["epochs"] == 3
        assert figures["seconds"] > 0
        assert figures["cls_loss"] > 0
        assert figures["cls_loss"] == pytest.approx(row["train/cls_loss"], rel=1e-3)
        assert figures["map50"] == pytest.approx(row["metrics/mAP50(B)"], abs=1e-4)
        assert {"box_loss", "dfl_loss", "map50_95"} < set(figures)
    fractions = [fraction for fraction, _, _ in report.calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(fractions) > 9  # also between epochs, so that cancelling is quick


def test_the_model_knows_the_users_classes_and_carries_no_optimizer(trained, base_weights):
    from ultralytics.nn.tasks import load_checkpoint

    dataset, result, _ = trained
    model, content = load_checkpoint(result.weights)
    assert model.names == {0: "square", 1: "tile"}
    assert (content["optimizer"], content["epoch"]) == (None, -1)
    assert result.weights == dataset.work / "model.pt"
    assert result.weights.stat().st_size < 1.5 * base_weights.stat().st_size
    assert (result.epochs, result.planned) == (3, 3)
    assert f"Epoch {result.best_epoch}" in result.why
    assert (dataset.work / "results.png").stat().st_size > 10_000


def test_nothing_is_left_but_the_outcome(trained):
    dataset, _, _ = trained
    assert sorted(each.name for each in dataset.work.iterdir() if each.name[0] != ".") == [
        "data",
        "data.yaml",
        "model.pt",
        "results.csv",
        "results.png",
        "run",
        "trained.json",
    ]
    assert not list(dataset.work.rglob("*.part*"))


def test_training_again_returns_what_is_there(trained, base_weights):
    dataset, result, _ = trained
    report = Recorded()
    assert engine().train(dataset, base_weights, FAST, work=dataset.work, report=report) == result
    assert len(report.calls) == 1


def test_both_models_are_judged_on_the_same_frames(trained, base_weights):
    dataset, result, _ = trained
    ours = evaluate(result.weights, dataset, imgsz=64, device="cpu")
    everyone = evaluate(base_weights, dataset, imgsz=64, class_agnostic=True, device="cpu")
    boxes = sum(val for _, val in dataset.boxes.values())
    assert (
        (ours.frames, ours.boxes) == (everyone.frames, everyone.boxes) == (len(dataset.val), boxes)
    )
    assert ours.map50_95 == pytest.approx(result.best_map50_95, abs=0.02)
    assert set(ours.per_class) == {name for name, (_, val) in dataset.boxes.items() if val}
    assert set(everyone.per_class) == {"all"}
    assert all(
        0 <= figure <= 1 for figure in [*ours.figures().values(), *everyone.figures().values()]
    )
    assert not list(dataset.work.glob(".evaluate*"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory, base_weights) -> Dataset:
    """A training of four epochs whose process died in the middle of the third."""
    dataset = build(tmp_path_factory.mktemp("killed"))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(dataset.work), str(base_weights)], cwd=ROOT
    )
    deadline = time.monotonic() + 120
    while not (dataset.work / "in_the_middle").exists():
        assert child.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    return dataset


def copy_of(dataset: Dataset, folder: Path) -> Dataset:
    from services.model_trainer.engines.dataset import load_dataset

    shutil.copytree(dataset.work, folder / "work", symlinks=True)
    return load_dataset(folder / "work")


def test_a_killed_training_goes_on_after_its_last_epoch(killed, base_weights, tmp_path):
    dataset = copy_of(killed, tmp_path)
    report = Recorded()
    result = engine().train(dataset, base_weights, FOUR, work=dataset.work, report=report)
    assert report.calls[0][1] == "going on after epoch 2 of 4"
    assert [figures["epoch"] for figures in report.epochs] == [3, 4]
    assert [row["epoch"] for row in read_epochs(result.results_csv)] == [1, 2, 3, 4]
    assert result.epochs == 4


def test_a_truncated_checkpoint_is_passed_over(killed, base_weights, tmp_path):
    dataset = copy_of(killed, tmp_path)
    newest = dataset.work / "checkpoints" / "epoch0002.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    (dataset.work / "run" / "weights" / "last.pt").write_bytes(newest.read_bytes())
    report = Recorded()
    result = engine().train(dataset, base_weights, FOUR, work=dataset.work, report=report)
    assert report.calls[0][1] == "going on after epoch 1 of 4"
    assert [row["epoch"] for row in read_epochs(result.results_csv)] == [1, 2, 3, 4]


def test_other_settings_start_from_the_beginning(killed, base_weights, tmp_path):
    dataset = copy_of(killed, tmp_path)
    settings = FOUR.model_copy(update={"epochs": 1})
    report = Recorded()
    result = engine().train(dataset, base_weights, settings, work=dataset.work, report=report)
    assert [figures["epoch"] for figures in report.epochs] == [1]
    assert len(read_epochs(result.results_csv)) == 1


def test_cancelling_stops_within_a_batch_and_can_be_taken_back(base_weights, tmp_path):
    dataset = build(tmp_path)

    def cancel(message: str, _figures: dict[str, float]) -> None:
        if message == "epoch 2 of 3":
            raise Cancelled("The task was cancelled.")

    report = Recorded(cancel)
    with pytest.raises(Cancelled):
        engine().train(dataset, base_weights, FAST, work=dataset.work, report=report)
    assert report.calls[-1][1] == "epoch 2 of 3"
    assert not (dataset.work / "model.pt").exists()
    again = Recorded()
    result = engine().train(dataset, base_weights, FAST, work=dataset.work, report=again)
    assert [figures["epoch"] for figures in again.epochs] == [2, 3]
    assert len(read_epochs(result.results_csv)) == 3


def test_a_training_killed_after_its_last_epoch_only_finishes(base_weights, tmp_path, monkeypatch):
    dataset = build(tmp_path)
    module = "services.model_trainer.engines.ultralytics_trainer._finish"

    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, die)
        with pytest.raises(KeyboardInterrupt):
            engine().train(dataset, base_weights, FAST, work=dataset.work)
    report = Recorded()
    result = engine().train(dataset, base_weights, FAST, work=dataset.work, report=report)
    assert report.epochs == []
    assert (result.epochs, len(read_epochs(result.results_csv))) == (3, 3)


def test_weights_that_are_none_are_refused(tmp_path):
    dataset = build(tmp_path)
    with pytest.raises(WeightsDamaged, match="There are no weights at"):
        engine().train(dataset, tmp_path / "none.pt", FAST, work=dataset.work)
    text = tmp_path / "text.pt"
    text.write_text("these are no weights")
    with pytest.raises(WeightsDamaged, match="No detector can be read from"):
        engine().train(dataset, text, FAST, work=dataset.work)
    with pytest.raises(WeightsDamaged, match="No detector can be read from"):
        evaluate(text, dataset, imgsz=64, device="cpu")


def test_code_inside_a_checkpoint_is_not_run(tmp_path):
    import torch

    dataset = build(tmp_path)

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"model": Trap(), "epoch": -1, "train_args": {}}, tmp_path / "trap.pt")
    with pytest.raises(WeightsDamaged):
        engine().train(dataset, tmp_path / "trap.pt", FAST, work=dataset.work)
    assert not (tmp_path / "sprung").exists()


def test_freezing_everything_is_explained(base_weights, tmp_path):
    dataset = build(tmp_path)
    settings = FAST.model_copy(update={"freeze": 24})
    with pytest.raises(TrainingFailed, match="`freeze` = 24 leaves nothing to train"):
        engine().train(dataset, base_weights, settings, work=dataset.work)


def test_engines_are_chosen_by_name():
    assert isinstance(trainer("ultralytics"), UltralyticsTrainer)
    with pytest.raises(Invalid, match=r"no training engine darknet\. Known: ultralytics"):
        trainer("darknet")
