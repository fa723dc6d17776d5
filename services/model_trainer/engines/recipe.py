"""How a detector is taught from few frames: what nobody should have to choose.

Training starts from a detector that already sees animals, so steps are small, and soon after the
first ones they only get smaller. What is kept is an average over the latest steps, so the epoch
after the last step is as good as any, and little hangs on which epoch is called the best.
`python -m tests.bench.learning` measures all of it.
"""

from __future__ import annotations

import math
from typing import Any

from shared.events.settings import TrainingSettings

LOOKS = 2400  # at training images, in a whole training: some two minutes on two cores
FEWEST_EPOCHS, MOST_EPOCHS = 20, 60
RATE = 0.001  # of AdamW; ultralytics' own choice is for training from scratch
AVERAGED = 0.05  # share of all steps over which the weights are averaged
PLAIN_LAST = 0.3  # share of the epochs, the last ones, that see pictures as they are: no mosaic
STEP_IMAGES = 8  # at least, for one step of the optimizer


def epochs_for(settings: TrainingSettings, images: int) -> int:
    """How often `images` training frames are looked at, unless the settings say it.

    Few frames are looked at more often: the time of a training hardly depends on their number
    until there are so many that each is seen `FEWEST_EPOCHS` times.
    """
    if settings.epochs is not None:
        return settings.epochs
    return min(max(round(LOOKS / max(images, 1)), FEWEST_EPOCHS), MOST_EPOCHS)


def overrides(settings: TrainingSettings, epochs: int) -> dict[str, Any]:
    """The recipe for a training of `epochs`, in the words of ultralytics."""
    return {
        "epochs": epochs,
        "optimizer": "AdamW",
        "lr0": RATE,
        "lrf": 0.01,
        "momentum": 0.9,
        "cos_lr": True,
        "warmup_epochs": 1.0,
        "warmup_bias_lr": 0.0,
        # ultralytics would gather 64 images for a step: of forty frames that leaves a dozen steps
        "nbs": max(settings.batch, STEP_IMAGES),
        "mosaic": 1.0,
        "close_mosaic": round(PLAIN_LAST * epochs),
        "flipud": 0.5,  # seen from above there is no up; from the side it does no harm
    }


def average_steps(run: Any) -> None:
    """Average the weights over the latest steps; call it when training starts, or goes on.

    Ultralytics averages over thousands of steps, and warms up to it over thousands more: in a
    training of some hundred steps its average is next to the newest weights.
    """
    steps = max(AVERAGED * run.epochs * len(run.train_loader), 1.0)
    most = 1 - 1 / steps
    run.ema.decay = lambda done: most * (1 - math.exp(-done / steps))
