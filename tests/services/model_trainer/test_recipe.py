"""How a detector is taught from few frames."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from services.model_trainer.engines.dataset import build_dataset
from services.model_trainer.engines.epoch_table import read_epochs
from services.model_trainer.engines.recipe import (
    FEWEST_EPOCHS,
    LOOKS,
    MOST_EPOCHS,
    average_steps,
    epochs_for,
)
from services.model_trainer.engines.ultralytics_trainer import UltralyticsTrainer
from shared.events.settings import TrainingSettings
from tests.services.model_trainer.squares import FAST, render


def test_few_frames_are_looked_at_more_often_and_many_often_enough():
    epochs = [epochs_for(TrainingSettings(), images) for images in (1, 30, 60, 100, 1000)]
    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[0], epochs[-1]) == (MOST_EPOCHS, FEWEST_EPOCHS)
    assert epochs_for(TrainingSettings(), 60) * 60 == pytest.approx(LOOKS, rel=0.02)


def test_who_says_how_many_epochs_gets_them():
    assert epochs_for(TrainingSettings(epochs=7), 60) == 7


def test_weights_are_averaged_over_the_latest_steps():
    import torch
    from ultralytics.utils.torch_utils import ModelEMA

    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    run = SimpleNamespace(ema=ModelEMA(model), epochs=40, train_loader=range(10))
    average_steps(run)  # over 20 of 400 steps
    for _ in range(200):
        run.ema.update(model)
    model.weight.data.fill_(1.0)
    heights = []
    for _ in range(100):
        run.ema.update(model)
        heights.append(run.ema.ema.weight.item())
    assert heights[0] < 0.1
    assert heights[19] == pytest.approx(0.64, abs=0.05)
    assert heights[-1] > 0.98


def test_steps_grow_for_an_epoch_and_then_only_shrink(base_weights, tmp_path):
    labels = render(tmp_path / "frames", [[0]] * 12, step_s=3.0)
    settings = FAST.model_copy(update={"epochs": 5})
    dataset = build_dataset(tmp_path / "frames", labels, settings, tmp_path / "work")
    trained = UltralyticsTrainer(device="cpu", threads=1).train(
        dataset, base_weights, settings, work=dataset.work
    )
    rates = [row["lr/pg0"] for row in read_epochs(trained.results_csv)]
    assert max(rates) <= 0.001
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] < 0.2 * rates[1]
