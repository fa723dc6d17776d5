"""What an exporter is, and which ones there are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from shared.errors import Invalid
from shared.progress.report import Report, silent

EXPORTERS = {
    "ultralytics": "services.model_deployer.engines.onnx_export:UltralyticsExporter",
}


@dataclass(frozen=True)
class Exported:
    """An ONNX file that a model server can serve, and what is known of it."""

    onnx: Path
    sha256: str  # of `onnx`
    weights_sha256: str
    classes: tuple[str, ...]
    task: str  # "detect"
    image_size: int  # pixels, the square input's side


class Exporter(Protocol):
    """Turns weights into ONNX: fixed image size, free batch axis, fp32, no built-in suppression."""

    def export(
        self,
        weights: Path,
        onnx: Path,
        image_size: int | None = None,
        *,
        expected_sha256: str,
        report: Report = silent,
    ) -> Exported:
        """Write `onnx`; a file already there that came from the same weights is left as it is.

        `expected_sha256` is the registry's; it is compared before the weights are opened, because
        opening them runs code. `image_size=None` takes the size the model was trained with.
        Raises `WeightsAbsent`, `WeightsOutsideRegistry`, `WeightsChanged`, `NotADetector`,
        `ExportFailed`.
        """
        ...


def exporter(registry: Path, name: str = "ultralytics") -> Exporter:
    """The exporter of that name for weights below `registry`; its libraries are imported here."""
    if name not in EXPORTERS:
        raise Invalid(f"There is no exporter {name}. Known: {', '.join(EXPORTERS)}.")
    module, _, engine = EXPORTERS[name].partition(":")
    built: Exporter = getattr(import_module(module), engine)(registry)
    return built
