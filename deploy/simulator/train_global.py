"""Train the global one-class detector on rendered scenes, measure it, and publish it.

`python -m deploy.simulator train-global` runs this with the settings that made the shipped model.
Nothing but rendered pictures is trained on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.simulator.calibrate import calibration_on
from deploy.simulator.dataset import write_scenes, write_yaml
from deploy.simulator.labelled import Labelled, yolo_folder
from deploy.simulator.measure import measure
from deploy.simulator.onnx_detector import OnnxDetector
from deploy.simulator.publish_global import publish, sha256
from deploy.simulator.scenes import Families
from shared.errors import Invalid
from shared.progress.report import Report, silent

ARCHITECTURE = Path(__file__).with_name("actverse-global.yaml")
SCENES_TO_MEASURE = 300
SEEDS_APART = 1_000_003  # measured scenes come from seeds that training never uses
MEASURED_SETS: dict[str, Families] = {
    "known": "training",
    "held_out": "held_out",
    "calibration": "training",
}


@dataclass(frozen=True)
class Stage:
    """One stretch of training; small pictures first cost less time for the same lesson."""

    image_size: int  # pixels
    epochs: int
    learning_rate: float
    mosaic: float  # probability of a picture joined from four


STAGES = (Stage(256, 8, 0.002, 0.5), Stage(320, 8, 0.001, 0.3))


def train_global(
    out: Path,
    work: Path,
    *,
    images: int = 4000,
    measured_images: int = SCENES_TO_MEASURE,
    seed: int = 0,
    stages: tuple[Stage, ...] = STAGES,
    start_from: Path | None = None,
    report: Report = silent,
) -> dict[str, object]:
    """Render, train, measure and write `out/model.{pt,onnx,json}`; returns the content of model.json.

    Scenes and checkpoints go to `work`, which may be deleted afterwards. `start_from` continues
    from weights instead of random ones. A stage whose `last.pt` is complete is not trained again,
    so a killed run goes on with the stage it was in.
    """
    if not stages:
        raise Invalid("There is no stage to train. Give at least one.")
    os.environ["YOLO_OFFLINE"] = "1"
    started = time.monotonic()
    train = write_scenes(work / "train", images=images, seed=seed, report=_part(report, 0, 0.1))
    val = _measured_sets(work, measured_images, seed)["known"] / "images"
    data = write_yaml(work / "data.yaml", train=[train], val=val)
    weights = start_from
    for i, stage in enumerate(stages):
        weights = _train_stage(weights, stage, data, work / "runs", f"stage{i}", seed)
        report(0.1 + 0.8 * (i + 1) / len(stages), f"stage {i + 1} of {len(stages)} is trained")
    assert weights is not None
    minutes = (time.monotonic() - started) / 60
    card: dict[str, object] = {
        "trained_on": {
            "images": images,
            "epochs": sum(stage.epochs for stage in stages),
            "seed": seed,
            "minutes": round(minutes, 1),
            "source": "scenes rendered by deploy/simulator; no photograph",
            "stages": [asdict(stage) for stage in stages],
            **({"continued_from": sha256(start_from)} if start_from else {}),
        }
    }
    return measured_and_published(weights, out, card, work=work, images=measured_images, seed=seed)


def measured_and_published(
    weights: Path, out: Path, card: dict[str, object], *, work: Path, images: int, seed: int
) -> dict[str, object]:
    """Calibrate `weights` and publish them to `out` with their figures.

    Scenes of seeds that training never used are rendered into `work`, `images` for each purpose.
    """
    sets, draft = _measured_sets(work, images, seed), work / "draft"

    def pictures(name: str) -> Iterator[Labelled]:
        return yolo_folder(sets[name] / "images", sets[name] / "labels")

    publish(weights, draft, card)
    calibration = calibration_on(OnnxDetector(draft / "model.onnx"), pictures("calibration"))
    publish(weights, draft, card, calibration)
    detector = OnnxDetector(draft / "model.onnx")
    known, strange = (measure(detector, pictures(name)).rounded() for name in ("known", "held_out"))
    measured = {
        "on": "rendered scenes of other seeds; held_out_families: shapes and floors never trained on",
        "map50": known["map50"],
        "map50_95": known["map50_95"],
        "known_families": known,
        "held_out_families": strange,
    }
    publish(
        weights,
        out,
        {**card, "calibration": asdict(calibration), "measured": measured},
        calibration,
    )
    content: dict[str, object] = json.loads((out / "model.json").read_text())
    return content


def _measured_sets(work: Path, images: int, seed: int) -> dict[str, Path]:
    """Folders of scenes to calibrate and to measure on, rendered unless they are there."""
    sets: dict[str, Path] = {}
    for apart, (name, families) in enumerate(MEASURED_SETS.items(), start=1):
        sets[name] = work / name
        write_scenes(sets[name], images=images, seed=seed + apart * SEEDS_APART, families=families)
    return sets


def _train_stage(
    weights: Path | None, stage: Stage, data: Path, runs: Path, name: str, seed: int
) -> Path:
    from ultralytics import YOLO

    done, last = runs / name / "finished", runs / name / "weights" / "last.pt"
    if done.exists():
        return last
    model = YOLO(weights or ARCHITECTURE, task="detect")
    if half_precision_pays():
        model.add_callback("on_train_start", _run_in_bfloat16)
    model.train(
        data=str(data), imgsz=stage.image_size, epochs=stage.epochs, batch=16, nbs=16, device="cpu",
        workers=0, cache="ram", amp=False, plots=False, val=False, deterministic=True, seed=seed,
        project=str(runs), name=name, exist_ok=True, optimizer="AdamW", lr0=stage.learning_rate,
        cos_lr=True, warmup_epochs=0.5, mosaic=stage.mosaic, close_mosaic=2, flipud=0.5, scale=0.4,
        hsv_h=0.03, hsv_s=0.5, hsv_v=0.4, erasing=0.0, verbose=False,
    )  # fmt: skip
    done.touch()
    return last


def half_precision_pays() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware: then training is twice as fast."""
    import torch

    return bool(torch.cpu._is_amx_tile_supported())  # noqa: SLF001 -- torch has no public question


def _run_in_bfloat16(trainer: Any) -> None:
    """Run the network in bfloat16 and the loss in fp32; ultralytics' `amp` is for GPUs only.

    Only the trained network is wrapped: what is saved are the averaged weights, a separate copy.
    """
    import torch

    network = trainer.model.to(memory_format=torch.channels_last)
    plain = network.predict

    def predict(images: Any, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            answer = plain(images.to(memory_format=torch.channels_last), *args, **kwargs)
        return _as_float(answer)

    network.predict = predict


def _as_float(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: _as_float(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return type(answer)(_as_float(value) for value in answer)
    return answer.float()


def _part(report: Report, low: float, high: float) -> Report:
    def inner(fraction: float, message: str = "", **figures: float) -> None:
        report(low + (high - low) * fraction, message, **figures)

    return inner
