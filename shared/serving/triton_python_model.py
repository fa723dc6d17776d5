"""What Triton's Python backend runs for one version: `model.onnx` beside it, by OpenVINO.

Copied into the repository as `<version>/model.py`, with `openvino_network.py`; it runs in Triton's
own environment, so it may import nothing else of this project. The requests of a batch become one
run, and the answer is split.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

Array = np.ndarray[Any, np.dtype[np.float32]]
# the file beside this one; its package is named after the version's folder
network = import_module(".openvino_network", __package__)


class TritonPythonModel:
    """The class that the backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the model; an exception here is the reason that the load call reports."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        threads = int(config["parameters"]["intra_op_threads"]["string_value"])
        self.network = network.Network(folder / "model.onnx", threads)
        self.input = config["input"][0]["name"]
        self.output = config["output"][0]["name"]

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One answer for each request, in order; a request that fails does not take others along."""
        arrays = [pb_utils.get_input_tensor_by_name(r, self.input).as_numpy() for r in requests]
        if len(arrays) == 1 or len({array.shape[1:] for array in arrays}) > 1:
            return [self.alone(array) for array in arrays]
        try:
            joined = self.network.run(*arrays)
        except Exception:  # noqa: BLE001 - find out below whose request it is
            return [self.alone(array) for array in arrays]
        ends = np.cumsum([len(array) for array in arrays])[:-1]
        return [self.answer(part) for part in np.split(joined, ends)]

    def alone(self, array: Array) -> Any:
        """The answer to one request, or its own error."""
        try:
            return self.answer(self.network.run(array))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the client
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))

    def answer(self, array: Array) -> Any:
        """An array as a response."""
        return pb_utils.InferenceResponse([pb_utils.Tensor(self.output, array)])
