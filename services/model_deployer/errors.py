"""What can be wrong with a conversion or a deployment, each said in a sentence."""

from __future__ import annotations

from pathlib import Path

from shared.errors import Conflict, Forbidden, Invalid, NotFound, Terminal


class WeightsOutsideRegistry(Forbidden):
    """A file that nobody registered; weights are pickles, and opening one runs its code."""

    def __init__(self, weights: Path, registry: Path) -> None:
        super().__init__(
            f"{weights.name} does not lie in the model registry ({registry}); weights are programs, so only "
            "registered ones are opened. Train the model here, or let the operator put it into the registry."
        )


class WeightsChanged(Conflict):
    """The file is not the one that was registered."""

    def __init__(self, weights: Path, expected: str, found: str) -> None:
        super().__init__(
            f"{weights.name} has sha256 {found[:12]}..., the registry says {expected[:12]}...; it was changed or "
            "damaged after training and is not opened. Train again, or restore the file."
        )


class WeightsAbsent(NotFound):
    """There is no such file of weights."""


class NotADetector(Invalid):
    """The weights hold something that this project cannot serve."""


class ExportFailed(Terminal):
    """The conversion to ONNX did not work."""


class ParityFailed(Terminal):
    """Two forms of a model answer differently; the newer form must not be served."""

    def __init__(self, left: str, right: str, why: str, figures: str) -> None:
        super().__init__(
            f"{right} does not answer as {left} does: {why} ({figures}). The model is not deployed; the version "
            "served before stays. Convert it again, and report it if that does not help."
        )


class NotServed(Conflict):
    """A version that the model server does not hold cannot be the current one."""

    def __init__(self, model: str, version: int) -> None:
        super().__init__(
            f"{model} version {version} is not on the model server. Deploy it with POST /deployments "
            f"(model_path models/{model}/{version}), then try again."
        )


class NothingBefore(Conflict):
    """There is no version to go back to."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"No version of {model} was current before the present one. "
            "Choose one with POST /models/{task_id}/promote."
        )


class FiguresFlatter(Conflict):
    """A version whose figures mean little is promoted only by somebody who says why."""

    def __init__(self, model: str, version: int, leakage: float) -> None:
        super().__init__(
            f"{leakage:.0%} of the validation frames of {model} version {version} lie near training "
            "frames, so its figures flatter it. Give a `reason` to promote it nevertheless."
        )
