"""How models are kept and served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class ModelSettings(BaseModel):
    """Where models live and which one everybody starts from."""

    repository: Path = Path("triton_models")
    """The model server's repository."""
    platform: str = "python"
    """`python` for Triton from the wheel; for NVIDIA's container `onnxruntime`, or `openvino` on
    processors, which serves 8-bit integers."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where a Triton with the ONNX backend runs the models."""
    instances: Annotated[int, Field(ge=1)] = 1
    """Copies of a model that run side by side, on each GPU where there are several."""
    tensorrt: bool = False
    """Whether TensorRT runs the models, in half precision; needs `device=gpu`, and each version of a
    model costs minutes when it is loaded first."""
    tensorrt_engines: str = ""
    """Folder that keeps what TensorRT built, as Triton sees it and may write to; empty = it is built
    again at every start."""
    restore_s: float = 30.0
    """Time between two looks whether the model server has lost what belongs on it, seconds."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Processor threads of one inference run; 0 = as many as there are cores. Name it where a
    container may use fewer cores than the machine has."""
    kept_versions: int = 2
    """Versions of a model that stay loaded: the new one and those before it; the current one and
    the one to go back to stay loaded beside them."""
    int8: bool = True
    """Whether a new detector may be served in 8-bit integers, where OpenVINO serves and they are
    quicker and as good; choosing costs some seconds for each new version."""
