"""A detector in 8-bit integers for OpenVINO: calibrated by nncf on the user's own frames.

The result is an ONNX file again, with the names, shapes and properties of the original, so whatever
reads or serves the one reads and serves the other. Boxes and scores are put together in fp32: a pixel
needs more than 256 steps.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import tempfile
from collections.abc import Sequence
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
    """Write `onnx` in 8-bit integers (weights per channel) to `out`, calibrated on `frames`.

    Input, output and names stay those of `onnx`. `keep_head` leaves the whole head in fp32: slower,
    and closer to the original. Raises `Terminal` when the network cannot be quantised.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # nncf calibrates with ONNX Runtime
    # it loads torch, which complains where there is a compiler for CUDA and no device
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import nncf
    import onnx as library

    _into_the_log(nncf)
    ordered = sorted(frames)
    places = np.linspace(0, len(ordered) - 1, min(CALIBRATION_FRAMES, len(ordered)))
    chosen = [ordered[index] for index in np.unique(places.round().astype(int))]
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".int8-", dir=out.parent) as folder:
        made = Path(folder) / "model.onnx"
        try:
            network = library.load(str(onnx))
            integers = nncf.quantize(
                network,
                # read when it is asked for: memory does not grow with the number of pictures
                nncf.Dataset(chosen, lambda frame: {INPUT: read_batch(frame, image_size)[0]}),
                preset=nncf.QuantizationPreset.MIXED,  # SiLU answers are not symmetric
                target_device=nncf.TargetDevice.CPU,
                subset_size=len(chosen),
                ignored_scope=nncf.IgnoredScope(
                    names=_in_fp32(network, keep_head=keep_head), validate=False
                ),
            )
            _unsigned(integers)
            properties = {p.key: p.value for p in network.metadata_props}
            library.helper.set_model_props(integers, {**properties, "actverse.variant": "int8"})
            library.save(integers, str(made))
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


def _into_the_log(nncf: Any) -> None:
    """Take away what nncf writes to stdout by itself, between the lines of the log.

    Its bars of progress are drawn on rich's global console, which nobody else of this process uses;
    its warnings go where everybody's do.
    """
    import rich

    rich.reconfigure(quiet=True)
    nncf.disable_logging()  # only its own handler, which writes plain text
    logger = logging.getLogger("nncf")
    logger.setLevel(logging.WARNING)
    logger.propagate = True


def _in_fp32(network: Any, *, keep_head: bool) -> list[str]:
    """Names of the nodes that stay in fp32: the end of the head, or all of it.

    Ultralytics names nodes by layer; the head is the last one, with its branches in `cv2` (boxes)
    and `cv3` (scores). The last convolution of each branch stays too: it costs hardly any time, and
    256 steps for its answers cost two points of mAP50-95 where the rest costs a tenth of one.
    """
    nodes = network.graph.node
    layers = {node.name: _LAYER.match(node.name) for node in nodes}
    head = max((int(found[1]) for found in layers.values() if found), default=None)
    kept = []
    for name, found in layers.items():
        in_head = found is None or int(found[1]) == head
        if in_head and (keep_head or not _BRANCH.search(name) or _LAST.search(name)):
            kept.append(name)
    return kept


def _unsigned(network: Any) -> None:
    """Move the zero points of the activations in `network` from -128..127 to 0..255.

    The same values in other names; but of the signed ones OpenVINO 2026.4 loses some in convolutions
    of 1x1, and the network answers nonsense.
    """
    import onnx as library

    weights = {tensor.name: tensor for tensor in network.graph.initializer}
    zeros = {node.input[2] for node in network.graph.node if node.op_type == "QuantizeLinear"}
    for name in zeros:
        zero = library.numpy_helper.to_array(weights[name])
        if zero.dtype == np.int8:
            moved = (zero.astype(np.int16) + 128).astype(np.uint8)
            weights[name].CopyFrom(library.numpy_helper.from_array(moved, name))
    del network.graph.value_info[:]  # it names the old type


def check_signature(onnx: Path, *, classes: int, image_size: int) -> None:
    """Raises `Invalid` when a server could not serve `onnx` in place of the original."""
    read_signature(onnx, classes=classes, image_size=image_size)
