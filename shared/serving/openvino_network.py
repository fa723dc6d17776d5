"""A detector's ONNX file, opened by OpenVINO on the processor.

Copied into the model repository beside `model.py`, which imports it in Triton's own environment; so
it may import nothing of this project.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float32]]


class Network:
    """One network and the requests that it works on side by side; any thread may call `run`.

    Images go in one by one: no core then waits for another at the end of a layer, and the answer
    for an image does not depend on the batch that it came in.
    """

    def __init__(self, onnx: Path, threads: int = 0) -> None:
        """Read and compile `onnx`; `threads` is how many cores it may use, 0 for all.

        Raises RuntimeError with OpenVINO's reason when the file cannot be run.
        """
        import openvino

        core = openvino.Core()
        model = core.read_model(str(onnx))
        shape = model.input(0).partial_shape
        shape[0] = 1
        model.reshape(shape)
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            # where there are instructions for bfloat16 they would be used: too coarse for a box
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or _cores(),
            # threads bound to cores would share them with those of the next process
            "ENABLE_CPU_PINNING": False,
        }
        compiled = core.compile_model(model, "CPU", options)
        self.at_once: int = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        # OpenVINO fills its table of types at the first question, and gives Python's lock away while
        # it does: two threads that ask first at one moment would wait for each other for ever
        compiled.input(0).get_element_type().to_dtype()
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.at_once):
            self._idle.put(compiled.create_infer_request())

    def run(self, *batches: Array) -> Array:
        """Batches (n, 3, size, size) float32 to one answer (sum of n, 4 + classes, anchors) float32.

        They are read where they lie: joining them first would copy every pixel.
        """
        whole = [np.ascontiguousarray(batch, dtype=np.float32) for batch in batches]
        images = [batch[number : number + 1] for batch in whole for number in range(len(batch))]
        answers: list[Array] = []
        running: deque[Any] = deque()
        try:
            for image in images:
                request = self._free(running, answers)
                running.append(request)
                request.start_async({0: image}, share_inputs=True)
            while running:
                answers.append(self._answer(running.popleft()))
        finally:
            for request in running:  # after an error; they still read `images`
                with contextlib.suppress(RuntimeError):
                    request.wait()
                self._idle.put(request)
        return np.concatenate(answers)

    def _free(self, running: deque[Any], answers: list[Array]) -> Any:
        """An idle request; nobody waits for one while he holds others, so somebody always goes on."""
        while True:
            try:
                return self._idle.get(block=not running)
            except Empty:
                answers.append(self._answer(running.popleft()))

    def _answer(self, request: Any) -> Array:
        """What `request` answers, (1, 4 + classes, anchors); it is idle afterwards."""
        try:
            request.wait()
            answer: Array = request.get_output_tensor(0).data.copy()
        finally:
            self._idle.put(request)
        return answer


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
