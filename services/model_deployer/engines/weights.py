"""The door before every .pt file: opened only when the registry knows its place and its content."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.model_deployer.errors import (
    NotADetector,
    WeightsAbsent,
    WeightsChanged,
    WeightsOutsideRegistry,
)
from shared.serving.repository import sha256_of


@contextlib.contextmanager
def verified(weights: Path, registry: Path, expected_sha256: str) -> Iterator[Path]:
    """A private copy of `weights` with exactly the expected content, gone afterwards.

    The copy is what is hashed and what is opened, so nobody can exchange the file in between.
    """
    place = weights.resolve()  # a link that leads out of the registry lies outside
    if not place.is_relative_to(registry.resolve()):
        raise WeightsOutsideRegistry(weights, registry)
    if not place.is_file():
        raise WeightsAbsent(f"There is no file of weights {weights}; train the model first.")
    with tempfile.TemporaryDirectory(prefix="actverse-weights-") as folder:
        copy = Path(folder) / "model.pt"
        shutil.copyfile(place, copy)
        found = sha256_of(copy)
        if found != expected_sha256:
            raise WeightsChanged(weights, expected_sha256, found)
        yield copy


def open_detector(verified_weights: Path) -> Any:
    """The `ultralytics.YOLO` in a verified copy, set to answer one row per class and anchor.

    Architectures with a suppression-free head (`end2end`) have both heads; we serve the ordinary
    one, so that thresholds stay parameters of the analysis.
    """
    # ultralytics reads these when it is imported; it must neither download nor install
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    from ultralytics import YOLO  # type: ignore[attr-defined]

    try:
        detector: Any = YOLO(str(verified_weights))
    except Exception as error:
        raise NotADetector(
            f"The weights cannot be opened ({type(error).__name__}: {error})."
        ) from error
    if detector.task != "detect":
        raise NotADetector(
            f"The weights are for the task {detector.task!r}; only detectors ('detect') are served."
        )
    if hasattr(detector.model, "end2end"):
        detector.model.end2end = False
    return detector


def class_names(detector: Any) -> tuple[str, ...]:
    """The names by class number."""
    return tuple(str(detector.names[number]) for number in sorted(detector.names))


def trained_image_size(detector: Any) -> int:
    """The square side in pixels that the weights say they were trained with; 640 when silent."""
    arguments = getattr(detector.model, "args", None)
    size = (
        arguments.get("imgsz") if isinstance(arguments, dict) else getattr(arguments, "imgsz", None)
    )
    if isinstance(size, list | tuple):
        size = max(size)
    return int(size or 640)
