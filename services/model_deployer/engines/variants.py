"""Which form of a detector is served: 32 bits, or 8-bit integers where they are quicker and as good.

Both are scored by the same code on the same validation frames, which training never saw, and timed
in turns on the processor that serves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from services.model_deployer.engines.int8 import check_signature, has_int8, quantise, read_batch
from shared.errors import Cancelled
from shared.labels.yolo import parse_yolo
from shared.progress.report import Report, silent
from shared.serving.openvino_network import Network
from shared.settings import Settings
from shared.vision.geometry import non_max_suppression
from shared.vision.metrics import Score, Truth, mean_average_precision

FP32, INT8 = "fp32", "int8"
NOT_TRIED = "8-bit integers were not asked for, or it is not OpenVINO that serves the models."
FEWEST_FRAMES = 5  # of validation, and as many boxes; with fewer a loss of half a point is noise
FEWEST_CALIBRATION = 8  # frames
MOST_FRAMES = 200  # of validation, evenly spread
GAIN = 1.1  # less is not worth another form of the model
LOW, SUPPRESSION_IOU = 0.001, 0.7  # as `yolo val`: the curve needs its tail
TIMED_S, TURNS = 0.4, 5


@dataclass(frozen=True)
class Judged:
    """One form of a model, on the same frames and the same processor as the other."""

    map50: float
    map50_95: float
    frames_per_s: float  # network alone, as many pictures side by side as it takes


@dataclass(frozen=True)
class Choice:
    """What is served, and why."""

    variant: str
    reason: str
    forms: dict[str, Judged] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Plain values, for the registry."""
        forms = {name: vars(form) for name, form in self.forms.items()}
        return {"served": self.variant, "reason": self.reason, **forms}


def openvino_serves(settings: Settings) -> bool:
    """Whether models run on OpenVINO: in the workers, by the wheel's Triton, or as its backend."""
    if settings.model_server.startswith("openvino:"):
        return True
    return settings.model.platform in {"python", "openvino"} and settings.model.device == "cpu"


def choose_variant(
    onnx: Path,
    data: Path,
    out: Path,
    *,
    classes: Sequence[str],
    image_size: int,
    most_loss: float,
    report: Report = silent,
) -> Choice:
    """The form of `onnx` to serve; `out` holds the one in 8-bit integers when that is chosen.

    `data` is the folder of the training's data set: images and labels, each with train and val.
    `most_loss` is the mAP50-95, 0..1, that the integers may cost. What goes wrong with them is no reason to
    fail, as a detector in 32 bits is always right; `Cancelled` and a full disk are.
    """
    if not has_int8():
        return _fp32("This processor has no 8-bit instructions (VNNI).")
    judged = _pictures(data / "images" / "val")[:: _stride(data / "images" / "val")]
    taught = _pictures(data / "images" / "train")
    if len(judged) < FEWEST_FRAMES or len(taught) < FEWEST_CALIBRATION:
        return _fp32(
            f"{len(taught)} training and {len(judged)} validation frames are too few to calibrate "
            "and to judge 8-bit integers."
        )
    try:
        truth = [_truth(picture, data, classes, image_size) for picture in judged]
        if sum(len(each.class_id) for each in truth) < FEWEST_FRAMES:
            return _fp32("The validation frames hold too few boxes to judge 8-bit integers.")
        whole = Network(onnx)
        report(0.1, "scoring 32 bits")
        full = _score(whole, judged, truth, image_size)
        forms: dict[str, Judged] = {}
        reason = ""
        for place, keep_head in enumerate((False, True)):
            report(0.2 + 0.4 * place, "calibrating 8-bit integers")
            quantise(onnx, taught, image_size, out, keep_head=keep_head)
            check_signature(out, classes=len(classes), image_size=image_size)
            integers = Network(out)
            found = _score(integers, judged, truth, image_size)
            speeds = _speeds({FP32: whole, INT8: integers}, judged[0], image_size)
            forms = {
                FP32: Judged(full.map50, full.map50_95, speeds[FP32]),
                INT8: Judged(found.map50, found.map50_95, speeds[INT8]),
            }
            reason = _told(forms, most_loss)
            if speeds[INT8] < GAIN * speeds[FP32]:
                break  # with the head in fp32 it is slower still
            if full.map50_95 - found.map50_95 <= most_loss:
                report(1.0, reason)
                return Choice(INT8, f"Served in 8-bit integers. {reason}", forms)
    except (Cancelled, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - the runtime's own have no common base
        out.unlink(missing_ok=True)
        return _fp32(f"8-bit integers could not be tried: {error}")
    out.unlink(missing_ok=True)
    report(1.0, reason)
    return Choice(FP32, f"Served in 32 bits. {reason}", forms)


def _fp32(why: str) -> Choice:
    return Choice(FP32, f"Served in 32 bits. {why}")


def _told(forms: dict[str, Judged], most_loss: float) -> str:
    full, integers = forms[FP32], forms[INT8]
    return (
        f"8-bit integers: mAP50-95 {integers.map50_95:.3f} against {full.map50_95:.3f} on the "
        f"validation frames (may lose {most_loss:g}), "
        f"{integers.frames_per_s / full.frames_per_s:.2f} times the speed (at least {GAIN:g})."
    )


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in {".jpg", ".png"})


def _stride(folder: Path) -> int:
    """So that at most `MOST_FRAMES` are scored."""
    return max(1, -(-len(_pictures(folder)) // MOST_FRAMES))


def _truth(picture: Path, data: Path, classes: Sequence[str], image_size: int) -> Truth:
    """The labels of a validation frame, in its pixels."""
    file = data / "labels" / "val" / f"{picture.stem}.txt"
    boxes = parse_yolo(file.read_text(encoding="utf-8"), classes, where=file.name)
    _, fitted = read_batch(picture, image_size)
    size = np.array([fitted.width, fitted.height] * 2, np.float32)
    edges = [(b.cx - b.w / 2, b.cy - b.h / 2, b.cx + b.w / 2, b.cy + b.h / 2) for b in boxes]
    return Truth(
        np.array(edges, np.float32).reshape(-1, 4) * size,
        np.array([box.class_id for box in boxes], np.int64),
    )


def _score(
    network: Network, frames: Sequence[Path], truth: Sequence[Truth], image_size: int
) -> Score:
    found = []
    for frame in frames:
        batch, fitted = read_batch(frame, image_size)
        output = network.run(batch)[0]
        found.append(non_max_suppression(output, fitted, LOW, SUPPRESSION_IOU))
    return mean_average_precision(truth, found)


def _speeds(networks: dict[str, Network], frame: Path, image_size: int) -> dict[str, float]:
    """Frames a second of each; in turns, so that what else the machine does falls on both."""
    picture, _ = read_batch(frame, image_size)
    rates: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(TURNS):
        for name, network in networks.items():
            batch = np.repeat(picture, 2 * network.at_once, axis=0)
            network.run(batch)
            begun, count = time.perf_counter(), 0
            while (spent := time.perf_counter() - begun) < TIMED_S / TURNS or not count:
                network.run(batch)
                count += len(batch)
            rates[name].append(count / max(spent, 1e-6))
    return {name: statistics.median(found) for name, found in rates.items()}
