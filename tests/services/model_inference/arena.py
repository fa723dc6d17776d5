"""Videos of moving squares with known boxes, and an ONNX detector that finds exactly these.

The detector is a real ONNX file: it averages each colour over windows of the square's size, so its
score peaks where a window covers a square. Red squares are class 0, blue ones class 1.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from shared.serving.port import Batch, ModelSpec, RawOutput, ServedModel

SIDE = 16  # pixels, of a square in the model's input
SIZE = 128  # pixels, of the model's input
RED, BLUE = 0, 1
COLOURS = {RED: (250, 20, 20), BLUE: (20, 20, 250)}
Square = tuple[float, float, int]  # left, top, class


def wandering(number: int) -> list[Square]:
    """Two squares that never touch, for as long as you like."""
    swing = abs((number * 2) % 160 - 80)
    return [(10 + swing, 20, RED), (100 - swing, 80, BLUE)]


def render(
    path: Path,
    frames: int,
    squares: Callable[[int], Sequence[Square]] = wandering,
    *,
    size: tuple[int, int] = (SIZE, SIZE),
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Callable[[int], int] | None = None,
) -> Path:
    """A video of grey ground and squares of SIDE pixels, encoded with little loss.

    `pts` gives a frame's time in milliseconds, where it is not to be constant (H.264 only).
    """
    width, height = size
    with av.open(str(path), "w") as container:
        options = {"crf": "6", "preset": "ultrafast", "g": "25"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if codec != "libx264":
            stream.bit_rate = 4_000_000
        ticks = 1000 if codec == "libx264" else fps  # a second
        stream.codec_context.time_base = Fraction(1, ticks)
        for number in range(frames):
            image = np.full((height, width, 3), 70, np.uint8)
            for left, top, colour in squares(number):
                x, y = round(left), round(top)
                image[y : y + SIDE, x : x + SIDE] = COLOURS[colour]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = Fraction(1, ticks)
            frame.pts = pts(number) if pts else number * ticks // fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def detector(path: Path) -> Path:
    """Writes the detector's ONNX file: images (n, 3, SIZE, SIZE) to output (n, 6, anchors)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    windows = SIZE - SIDE + 1
    anchors = windows * windows
    rows, columns = np.mgrid[0:windows, 0:windows]
    boxes = np.empty((1, 4, anchors), np.float32)
    boxes[0, 0] = columns.ravel() + SIDE / 2
    boxes[0, 1] = rows.ravel() + SIDE / 2
    boxes[0, 2:] = SIDE
    # red minus green, blue minus green: the two classes' colours
    weights = np.array([[1, -1, 0], [0, -1, 1]], np.float32).reshape(2, 3, 1, 1)
    constants = {
        "weights": weights,
        "boxes": boxes,
        "scores_shape": np.array([0, 2, anchors], np.int64),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "half": np.array(0.6, np.float32),
        "slope": np.array(3, np.float32),
        "boxes_shape_tail": np.array([4, anchors], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["colour"]),
        helper.make_node("Clip", ["colour", "zero", "one"], ["clipped"]),
        helper.make_node("AveragePool", ["clipped"], ["mean"], kernel_shape=[SIDE, SIDE]),
        helper.make_node("Sub", ["mean", "half"], ["shifted"]),
        helper.make_node("Mul", ["shifted", "slope"], ["steep"]),
        helper.make_node("Clip", ["steep", "zero", "one"], ["score"]),
        helper.make_node("Reshape", ["score", "scores_shape"], ["scores"]),
        helper.make_node("Shape", ["images"], ["count"], start=0, end=1),
        helper.make_node("Concat", ["count", "boxes_shape_tail"], ["boxes_shape"], axis=0),
        helper.make_node("Expand", ["boxes", "boxes_shape"], ["all_boxes"]),
        helper.make_node("Concat", ["all_boxes", "scores"], ["output0"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "squares",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["n", 6, anchors])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


class FileServer:
    """A model server for one ONNX file, on ONNX Runtime."""

    def __init__(self, onnx_file: Path, classes: tuple[str, ...], size: int = SIZE) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(onnx_file), options, providers=["CPUExecutionProvider"]
        )
        digest = hashlib.sha256(onnx_file.read_bytes()).hexdigest()
        self.model = ModelSpec("squares", 3, classes, "detect", size, digest)
        self._pool = ThreadPoolExecutor(2)
        self._lock = threading.Lock()
        self.batches: list[int] = []
        self.waiting = 0
        self.most_waiting = 0

    def alive(self) -> str:
        return "onnxruntime"

    def load(self, name: str) -> None: ...

    def unload(self, name: str) -> None: ...

    def models(self) -> list[ServedModel]:
        return [ServedModel(self.model.name, self.model.version, "READY")]

    def spec(self, name: str, version: int | None = None) -> ModelSpec:
        return self.model

    def infer(self, spec: ModelSpec, batch: Batch) -> RawOutput:
        try:
            return self._session.run(None, {self._session.get_inputs()[0].name: batch})[0]
        finally:
            with self._lock:
                self.waiting -= 1

    def submit(self, spec: ModelSpec, batch: Batch) -> Future[RawOutput]:
        with self._lock:
            self.batches.append(len(batch))
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
        return self._pool.submit(self.infer, spec, batch)

    def close(self) -> None:
        self._pool.shutdown()
