"""The smallest network that is a YOLO, and a door with its callers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared.web.conftest import ann, bob, door  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def base_weights(tmp_path_factory) -> Path:
    """An untrained detector of one class `animal`, saved as the global one is."""
    from services.model_trainer.engines.ultralytics_setup import prepare_ultralytics

    folder = tmp_path_factory.mktemp("base")
    prepare_ultralytics(folder / "config")
    import torch
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    backbone = [
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "C2f", [16, True]],
        [-1, 1, "Conv", [32, 3, 2]],
        [-1, 1, "C2f", [32, True]],
        [-1, 1, "Conv", [32, 3, 2]],
    ]
    network = {"nc": 1, "backbone": backbone, "head": [[[4, 5], 1, "Detect", ["nc"]]]}
    model = DetectionModel(network, nc=1, verbose=False)
    model.names = {0: "animal"}
    file = folder / "base.pt"
    torch.save({"model": model.half(), "epoch": -1, "train_args": {}}, file)
    return file
