"""Which epoch is the best, why, and when that should make one wonder."""

from __future__ import annotations

from services.model_trainer.engines.checkpoints import Checkpoint

EARLY = 0.1  # a best epoch in this first part of the training is suspicious
ENOUGH_EPOCHS = 10  # with fewer, the first tenth is not an epoch


def why_best(
    best: Checkpoint, newest: Checkpoint, *, planned: int, patience: int, last_map50_95: float
) -> str:
    """A sentence or two for the user; `last_map50_95` is that of the newest epoch, 0..1."""
    if best.epoch == newest.epoch:
        reason = (
            f"Epoch {best.epoch}, the last one, is the best: its mAP50-95 on the validation frames "
            f"is {best.fitness:.3f}, and no earlier one is higher."
        )
    else:
        reason = (
            f"Epoch {best.epoch} of {newest.epoch} is the best: its mAP50-95 on the validation "
            f"frames is {best.fitness:.3f}, the highest (the last epoch has {last_map50_95:.3f})."
        )
    if newest.epoch < planned:
        reason += (
            f" Training stopped {planned - newest.epoch} epochs early: "
            f"{patience} epochs without a better one."
        )
    return reason


def doubts(best: Checkpoint, newest: Checkpoint) -> tuple[str, ...]:
    """What is odd about the best epoch, in sentences."""
    found = []
    if best.epoch != newest.best_epoch:
        found.append(
            f"The best epoch {newest.best_epoch} was lost by a damaged file; "
            f"the model is of epoch {best.epoch}."
        )
    if newest.epoch >= ENOUGH_EPOCHS and best.epoch <= EARLY * newest.epoch:
        found.append(
            f"The best epoch is {best.epoch} of {newest.epoch}, in the first tenth: training made "
            "the model worse. Look for wrong labels, label more frames, or lower `epochs`."
        )
    if best.fitness == 0:
        found.append(
            "The model finds nothing in the validation frames. Label more frames, "
            "raise `epochs`, or raise `imgsz` if the animals are small."
        )
    return tuple(found)
