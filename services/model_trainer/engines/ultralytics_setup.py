"""Ultralytics, imported so that it stays offline, quiet, and in the folder it was given.

By itself it asks servers for updates, sends usage figures, installs packages that it misses, writes
settings into the home directory, reports to any experiment tracker that happens to be installed,
and prints. It reads most of these wishes when it is first imported, so import it through here.
"""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.model_trainer.errors import WeightsDamaged

TRACKERS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


def prepare_ultralytics(config: Path) -> None:
    """Import ultralytics; its settings and matplotlib's caches go to `config` unless set before.

    ``weights_only`` loading is switched on: a checkpoint may name the known classes of detectors
    and nothing else, so that even a file that slipped through cannot run code of its own.
    """
    config = config.resolve()
    config.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_VERBOSE"] = "false"
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"
    os.environ.setdefault("YOLO_CONFIG_DIR", str(config))
    os.environ.setdefault("MPLCONFIGDIR", str(config / "matplotlib"))
    # Threads that spin while they wait make training ten times slower on a machine that does
    # anything else beside; sleeping ones cost a tenth where it does not (measured on two cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logger = logging.getLogger("ultralytics")
    known = list(logger.handlers)

    from ultralytics.nn import tasks
    from ultralytics.utils import LOGGER, SETTINGS, nms
    from ultralytics.utils.events import events

    events.enabled = False
    tasks.SAFE_LOAD = True  # the environment is read once, maybe before we came
    if not isinstance(nms.non_max_suppression, functools.partial):
        # after two seconds it would leave out the boxes of the other images: on a busy machine a
        # detector would be judged by how long it had to wait
        nms.non_max_suppression = functools.partial(nms.non_max_suppression, max_time_img=math.inf)
    # in memory only: through its own door this would be written to the settings file
    dict.update(SETTINGS, dict.fromkeys((*TRACKERS, "sync", "vscode_msg", "openvino_msg"), False))
    for handler in [each for each in LOGGER.handlers if each not in known]:
        LOGGER.removeHandler(handler)  # prints to stdout; ours are at the root
    LOGGER.propagate = True
    LOGGER.setLevel(logging.WARNING)


@contextmanager
def told_when_damaged(weights: Path) -> Iterator[None]:
    """Raise `WeightsDamaged` when the block, which reads a detector from `weights`, cannot."""
    try:
        yield
    except Exception as error:  # a damaged pickle fails in any way it likes
        raise WeightsDamaged(
            f"No detector can be read from {weights}. Choose other weights, or restore the file."
        ) from error


def check_readable(weights: Path) -> None:
    """Raise `WeightsDamaged` unless a detector can be read from `weights`."""
    from ultralytics.nn.tasks import load_checkpoint

    with told_when_damaged(weights):
        load_checkpoint(weights)
