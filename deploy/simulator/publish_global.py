"""A trained checkpoint as the shipped model: clean fp16 weights, ONNX with a free batch, model.json."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from deploy.simulator.calibrate import Calibration, fold

IMAGE_SIZE = 320  # pixels, the square input's side
OPSET = 17
KEPT_ARGUMENTS = ("task", "imgsz", "single_cls", "box", "cls", "dfl", "overlap_mask", "mask_ratio")
KEYS_WITHOUT_PATHS = ("version", "license", "docs", "date")


def publish(
    checkpoint: Path, folder: Path, card: dict[str, Any], calibration: Calibration | None = None
) -> None:
    """Write model.pt, model.onnx and, last, model.json (`card` plus both checksums) to `folder`.

    The checkpoint that training leaves holds the trainer's paths, its repository's commit and the
    optimizer; none of that is shipped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights, onnx_file = folder / "model.pt", folder / "model.onnx"
    _write_weights(checkpoint, weights, calibration)
    write_onnx(weights, onnx_file)
    full = {
        "name": "global",
        "classes": ["animal"],
        "task": "detect",
        "image_size": IMAGE_SIZE,
        "onnx_sha256": sha256(onnx_file),
        "weights_sha256": sha256(weights),
        **card,
    }
    half = folder / ".model.json.part"
    half.write_text(json.dumps(full, indent=2) + "\n")
    half.replace(folder / "model.json")


def sha256(path: Path) -> str:
    """The checksum of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_weights(checkpoint: Path, out: Path, calibration: Calibration | None) -> None:
    """A checkpoint that `YOLO(path)` loads: the averaged weights in half precision and no more."""
    import torch

    loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = (loaded.get("ema") or loaded["model"]).float()
    if calibration is not None:
        fold(model, calibration)
    model = model.half()
    for parameter in model.parameters():
        parameter.requires_grad = False
    trained = model.args if isinstance(model.args, dict) else vars(model.args)
    arguments = {key: trained[key] for key in KEPT_ARGUMENTS if key in trained}
    model.args = arguments
    model.yaml["yaml_file"] = "actverse-global.yaml"
    model.names = {0: "animal"}
    for leftover in ("criterion", "pt_path"):
        if hasattr(model, leftover):
            delattr(model, leftover)
    kept = {key: loaded[key] for key in KEYS_WITHOUT_PATHS if key in loaded}
    half = out.with_name(f".{out.name}.part")
    torch.save(
        {**kept, "model": model, "ema": None, "optimizer": None, "updates": None, "epoch": -1,
         "best_fitness": None, "train_args": {**arguments, "model": "actverse-global.yaml"}},
        half,
    )  # fmt: skip
    half.replace(out)


def write_onnx(weights: Path, out: Path) -> None:
    """Export `images` (n, 3, 320, 320) -> `output0` (n, 5, anchors), fp32; only n is free.

    Done here and not by ultralytics' exporter, which frees height and width together with the batch
    and writes the paths of the training machine into the file's description.
    """
    import onnx
    import torch
    from ultralytics import YOLO

    model = YOLO(weights).model.float().fuse(verbose=False).eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    head = model.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", False
    sample = torch.rand(2, 3, IMAGE_SIZE, IMAGE_SIZE)
    model(sample)  # builds the anchors for this size
    half = out.with_name(f".{out.name}.part")
    torch.onnx.export(
        model, (sample,), str(half), input_names=["images"], output_names=["output0"],
        opset_version=OPSET, dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
        dynamo=False,
    )  # fmt: skip
    graph = onnx.load(str(half))
    _shrink(graph)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(half))
    half.replace(out)


def _shrink(graph: Any) -> None:
    """Take out what only describes the exporter: doc strings with source paths, and metadata."""
    import onnx

    for node in graph.graph.node:
        node.doc_string = ""
    graph.graph.doc_string = graph.doc_string = ""
    onnx.helper.set_model_props(
        graph,
        {
            "task": "detect",
            "names": json.dumps({0: "animal"}),
            "imgsz": f"[{IMAGE_SIZE}, {IMAGE_SIZE}]",
        },
    )
