from __future__ import annotations

from services.model_trainer.engines.checkpoints import Checkpoint
from services.model_trainer.engines.verdict import doubts, why_best


def after(epoch: int, *, best_epoch: int, fitness: float = 0.5) -> Checkpoint:
    return Checkpoint(
        epoch=epoch,
        sha256="",
        fingerprint="",
        best_epoch=best_epoch,
        last=True,
        fitness=fitness,
        seconds=1.0,
    )


def test_a_best_epoch_in_the_first_tenth_is_doubted():
    newest = after(20, best_epoch=2)
    (doubt,) = doubts(after(2, best_epoch=2), newest)
    assert doubt.startswith("The best epoch is 2 of 20, in the first tenth")
    assert doubts(after(3, best_epoch=3), after(20, best_epoch=3)) == ()
    assert doubts(after(1, best_epoch=1), after(5, best_epoch=1)) == ()


def test_a_lost_best_and_a_model_that_finds_nothing_are_said():
    newest = after(8, best_epoch=6, fitness=0.0)
    lost, nothing = doubts(newest, newest)
    assert "epoch 6 was lost by a damaged file; the model is of epoch 8" in lost
    assert "finds nothing in the validation frames" in nothing


def test_the_reason_names_figures_and_the_end_by_patience():
    best, newest = after(7, best_epoch=7, fitness=0.61), after(12, best_epoch=7)
    why = why_best(best, newest, planned=30, patience=5, last_map50_95=0.58)
    assert "Epoch 7 of 12 is the best" in why
    assert "0.610, the highest (the last epoch has 0.580)" in why
    assert "stopped 18 epochs early: 5 epochs without a better one" in why
    same = why_best(newest, newest, planned=12, patience=0, last_map50_95=0.5)
    assert same.startswith("Epoch 12, the last one, is the best")
    assert "early" not in same
