"""ONNX by ultralytics: exported with free axes, then fixed to one image size and simplified.

Ultralytics has either all axes fixed, batch included, or all free, height and width included. We
want only the batch free: the image size as a constant lets the simplifier fold the anchors and
every shape calculation (657 nodes become 320 for YOLO11n), and the server refuses a wrong size.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from services.model_deployer.engines.port import Exported
from services.model_deployer.engines.weights import (
    class_names,
    open_detector,
    trained_image_size,
    verified,
)
from services.model_deployer.errors import ExportFailed, NotADetector
from shared.errors import ActverseError
from shared.progress.report import Report, silent
from shared.serving.onnx_file import read_signature
from shared.serving.repository import sha256_of

OPSET = 17  # what the ONNX Runtime of today's Triton containers and of the wheel's venv both read
STRIDE = 32  # the coarsest grid of a detector, pixels; an image size is a multiple of it
IMAGE_SIZES = range(STRIDE, 4097, STRIDE)
_LINEAGE = "actverse.weights_sha256"


class UltralyticsExporter:
    """Exports the .pt files of ultralytics that lie below `registry`."""

    def __init__(self, registry: Path) -> None:
        self.registry = registry

    def export(
        self,
        weights: Path,
        onnx: Path,
        image_size: int | None = None,
        *,
        expected_sha256: str,
        report: Report = silent,
    ) -> Exported:
        """As `Exporter.export` says; the same weights give the same file, byte for byte."""
        if image_size is not None and image_size not in IMAGE_SIZES:
            raise NotADetector(
                f"An image size of {image_size} does not work; take a multiple of {STRIDE}."
            )
        done = _already(onnx, expected_sha256, image_size)
        if done:
            return done
        report(0.0, "checking the weights")
        with verified(weights, self.registry, expected_sha256) as copy:
            detector = open_detector(copy)
            classes, size = class_names(detector), image_size or trained_image_size(detector)
            report(0.2, "exporting")
            # with its working files beside the target, so that the last rename stays on one disk
            onnx.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".export-", dir=onnx.parent) as folder:
                finished = Path(folder) / "model.onnx"
                try:
                    exported = detector.export(
                        format="onnx",
                        imgsz=size,
                        batch=1,
                        dynamic=True,
                        simplify=False,
                        opset=OPSET,
                        device="cpu",
                    )
                    report(0.6, "simplifying")
                    _finish(Path(exported), finished, size, expected_sha256)
                except (ActverseError, MemoryError, OSError):
                    raise
                except Exception as error:
                    raise ExportFailed(
                        f"{weights.name} cannot be converted to ONNX at {size} px ({type(error).__name__}: {error})."
                    ) from error
                read_signature(finished, classes=len(classes), image_size=size)
                finished.replace(onnx)
        report(1.0, "exported")
        return Exported(onnx, sha256_of(onnx), expected_sha256, classes, "detect", size)


def _finish(exported: Path, finished: Path, size: int, weights_sha256: str) -> None:
    """Fix height and width, simplify, and say in the file where it comes from."""
    import onnx
    import onnxslim
    from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed

    model = onnx.load(str(exported))
    for axis in ("height", "width"):
        make_dim_param_fixed(model.graph, axis, size)
    model = onnxslim.slim(model)
    # neither the clock, nor where the training data lay, nor arguments for a free size belong here
    kept = {
        p.key: p.value
        for p in model.metadata_props
        if p.key not in ("date", "description", "imgsz", "args")
    }
    kept |= {"imgsz": str([size, size]), _LINEAGE: weights_sha256}
    onnx.helper.set_model_props(model, kept)
    onnx.checker.check_model(model)
    onnx.save(model, str(finished))
    with finished.open("rb") as file:
        os.fsync(file.fileno())


def _already(onnx: Path, weights_sha256: str, image_size: int | None) -> Exported | None:
    """What an earlier call left at `onnx`, if it came from these weights at this size."""
    if not onnx.is_file():
        return None
    properties: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # not an ONNX file, or not ours: export again
        import ast

        import onnx as library

        model = library.load(str(onnx), load_external_data=False)
        properties = {
            p.key: ast.literal_eval(p.value)
            for p in model.metadata_props
            if p.key in ("names", "imgsz")
        }
        properties |= {p.key: p.value for p in model.metadata_props if p.key == _LINEAGE}
        if properties[_LINEAGE] == weights_sha256 and image_size in (None, properties["imgsz"][0]):
            names = properties["names"]
            classes = tuple(str(names[number]) for number in sorted(names))
            return Exported(
                onnx,
                sha256_of(onnx),
                weights_sha256,
                classes,
                "detect",
                int(properties["imgsz"][0]),
            )
    return None
