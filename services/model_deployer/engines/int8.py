"""A detector in 8-bit integers, by ONNX Runtime: calibrated on the user's own frames.

Everything between input and head is quantised, activations too, so that the network stays in
integers from layer to layer; a convolution alone in integers loses on the way there and back what
it gains. Boxes and scores are put together in fp32: a pixel needs more than 256 steps.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.errors import NotFound, Terminal
from shared.serving.onnx_file import INPUT, read_signature
from shared.serving.port import Batch
from shared.vision.geometry import letterbox, to_batch

CALIBRATION_FRAMES = 64
OPERATORS = ("Conv", "Sigmoid", "Mul", "Add", "Concat", "MaxPool", "Resize", "Split")
_LAYER = re.compile(r"^/model\.(\d+)/")
_BRANCH, _LAST = re.compile(r"/cv[23]\."), re.compile(r"/cv[23]\.\d+\.2/")
_CPUINFO = Path("/proc/cpuinfo")


def has_int8(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor multiplies 8-bit integers in one go.

    x86 without VNNI has no such instruction: slower, and its 16-bit sums overflow. Other processors
    are judged by their speed alone.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"} or not cpuinfo.is_file():
        return True
    return bool(re.search(r"\bavx(512)?_vnni\b", cpuinfo.read_text(encoding="utf-8")))


def read_batch(frame: Path, image_size: int) -> tuple[Batch, Any]:
    """One picture as the network sees it, and how it was fitted."""
    image = cv2.imread(str(frame), cv2.IMREAD_COLOR)
    if image is None:
        raise NotFound(f"The frame {frame.name} is missing or no image; extract the frames again.")
    rgb: NDArray[np.uint8] = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    canvas, box = letterbox(rgb, image_size)
    return to_batch([canvas]), box


def quantise(
    onnx: Path, frames: Sequence[Path], image_size: int, out: Path, *, keep_head: bool = False
) -> Path:
    """Write `onnx` in 8-bit integers (QDQ, weights per channel) to `out`, calibrated on `frames`.

    Input, output and names stay those of `onnx`. `keep_head` leaves the whole head in fp32: slower,
    and closer to the original. Raises `Terminal` when the network cannot be quantised.
    """
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import (  # type: ignore[import-untyped]
        quant_pre_process,
    )

    ordered = sorted(frames)
    places = np.linspace(0, len(ordered) - 1, min(CALIBRATION_FRAMES, len(ordered)))
    chosen = [ordered[index] for index in np.unique(places.round().astype(int))]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".int8-", dir=out.parent) as folder:
        ready, made = Path(folder) / "ready.onnx", Path(folder) / "model.onnx"
        try:
            quant_pre_process(str(onnx), str(ready), skip_symbolic_shape=True)
            quantize_static(
                str(ready),
                str(made),
                _reader(lambda: (read_batch(frame, image_size)[0] for frame in chosen)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(OPERATORS),
                nodes_to_exclude=_in_fp32(ready, keep_head=keep_head),
            )
            _name_origin(onnx, made)
        except (MemoryError, OSError, NotFound):
            raise
        except Exception as error:
            raise Terminal(
                f"{onnx.name} cannot be quantised ({type(error).__name__}: {error})."
            ) from error
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(out)
    return out


def _reader(batches: Callable[[], Iterator[Batch]]) -> Any:
    """Calibration data, one picture at a time: its memory does not grow with their number."""
    from onnxruntime.quantization import CalibrationDataReader

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = batches()

        def get_next(self) -> dict[str, Batch] | None:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: batch}

    return Pictures()


def _in_fp32(onnx: Path, *, keep_head: bool) -> list[str]:
    """Names of the nodes that stay in fp32: the end of the head, or all of it.

    Ultralytics names nodes by layer; the head is the last one, with its branches in `cv2` (boxes)
    and `cv3` (scores). The last convolution of each branch stays too: it costs hardly any time, and
    256 steps for its answers cost two points of mAP50-95 where the rest costs a tenth of one.
    """
    import onnx as library

    nodes = library.load(str(onnx), load_external_data=False).graph.node
    layers = {node.name: _LAYER.match(node.name) for node in nodes}
    head = max((int(found[1]) for found in layers.values() if found), default=None)
    kept = []
    for name, found in layers.items():
        in_head = found is None or int(found[1]) == head
        if in_head and (keep_head or not _BRANCH.search(name) or _LAST.search(name)):
            kept.append(name)
    return kept


def _name_origin(source: Path, made: Path) -> None:
    """The properties of `source` (classes, size, weights), and that `made` is in integers."""
    import onnx as library

    properties = {
        p.key: p.value for p in library.load(str(source), load_external_data=False).metadata_props
    }
    model = library.load(str(made))
    library.helper.set_model_props(model, {**properties, "actverse.variant": "int8"})
    library.save(model, str(made))


def check_signature(onnx: Path, *, classes: int, image_size: int) -> None:
    """Raises `Invalid` when a server could not serve `onnx` in place of the original."""
    read_signature(onnx, classes=classes, image_size=image_size)
