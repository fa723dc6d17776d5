"""What a model server can do, whichever it is."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:  # every process of the mesh loads this file, and few of them count
    import numpy as np
    from numpy.typing import NDArray

Batch: TypeAlias = "NDArray[np.float32]"  # (n, 3, size, size), RGB, 0..1, letterboxed
RawOutput: TypeAlias = "NDArray[np.float32]"
"""(n, 4 + classes, anchors): cx, cy, w, h in input pixels, scores 0..1"""


@dataclass(frozen=True)
class ModelSpec:
    """What a client must know of a model to use it; travels in `parameters` of config.pbtxt."""

    name: str
    version: int
    classes: tuple[str, ...]
    task: str  # "detect"
    image_size: int  # pixels, the square input's side
    sha256: str  # of model.onnx


@dataclass(frozen=True)
class ServedModel:
    """One version of a model in the repository and its state on the server."""

    name: str
    version: int
    state: str  # READY | LOADING | UNLOADING | UNAVAILABLE
    reason: str = ""
    server: str = ""  # "triton 2.51.0" or "openvino 2026.4 (in process: <why>)"


class ModelServer(Protocol):
    """Serves the ONNX models of the repository.

    Errors: `NotFound` for a model or version that is not loaded, `Unavailable` (retryable) when the
    server does not answer, `Terminal` when it refuses a model, with the server's own reason.
    """

    def alive(self) -> str:
        """The server's name and version; raises `Unavailable` when it does not answer."""
        ...

    def load(self, name: str) -> None:
        """Make the server read `name` from the repository again: every version its policy names."""
        ...

    def unload(self, name: str) -> None:
        """Take all versions of `name` off the server; harmless when it is not loaded."""
        ...

    def models(self) -> list[ServedModel]:
        """Every version in the repository with its state."""
        ...

    def spec(self, name: str, version: int | None = None) -> ModelSpec:
        """The description of a loaded version; the newest when `version` is None."""
        ...

    def infer(self, spec: ModelSpec, batch: Batch) -> RawOutput:
        """Run `batch` and wait for the answer."""
        ...

    def submit(self, spec: ModelSpec, batch: Batch) -> Future[RawOutput]:
        """Run `batch` without waiting, so that several requests are in flight."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...
