"""A detector of one layer: its boxes mean nothing, but there are some, and it answers at once."""

from __future__ import annotations

from pathlib import Path

SIZE = 64  # pixels
CELL = 16  # pixels; one box a cell


def write_tiny_model(onnx: Path) -> Path:
    """Write it as ONNX: (n, 3, 64, 64) to (n, 5, 16), as YOLO's exports are shaped."""
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper, save

    weights = np.zeros((5, 3, CELL, CELL), np.float32)
    weights[:2] = SIZE / (3 * CELL * CELL)  # bright cells lie low and to the right
    weights[4] = 1 / (3 * CELL * CELL)  # and are the confident ones
    bias = np.array([0, 0, CELL, CELL, 0], np.float32)
    shape = np.array([0, 5, -1], np.int64)
    cells = (SIZE // CELL) ** 2
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "w", "b"], ["grid"], strides=[CELL, CELL]),
            helper.make_node("Reshape", ["grid", "shape"], ["output0"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["n", 5, cells])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(bias, "b"),
            numpy_helper.from_array(shape, "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, str(onnx))
    return onnx
