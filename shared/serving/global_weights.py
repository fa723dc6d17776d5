"""Which weights everybody starts from: the shipped ones, or those that the operator named."""

from __future__ import annotations

from pathlib import Path

from shared.errors import NotFound
from shared.settings import Settings

SHIPPED = Path(__file__).resolve().parents[2] / "triton_models" / "global"


def operator_weights(models_dir: Path, named: str) -> Path:
    """The file that GLOBAL_WEIGHTS names: in `models_dir`, or a path. Nothing is downloaded."""
    for place in (models_dir / named, Path(named).expanduser()):
        if place.is_file():
            return place.resolve()
    raise NotFound(
        f"GLOBAL_WEIGHTS={named} is neither a file in {models_dir} nor a path; put the file there "
        "(nothing is downloaded), or unset it to use the shipped global model."
    )


def global_weights(settings: Settings) -> Path:
    """The .pt file that trainings start from."""
    if settings.global_weights:
        return operator_weights(settings.weights_dir, settings.global_weights)
    return SHIPPED / "model.pt"
