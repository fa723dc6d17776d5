"""8-bit integers against 32 bits and against `yolo predict`, on the same video in one run.

The integers are made as the deployer makes them, calibrated on frames of the first half of the
video; both forms are scored on the second half, against the positions that the scene was drawn
with. Then each side analyses the whole video from file to overlay (see `tests.bench.analysis`).
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from deploy.local.triton import TritonProcess
from shared.serving.repository import ModelRepository
from tests.bench import analysis_side
from tests.bench.analysis import IMAGE_SIZE, SHIPPED, analysed, triton_venv
from tests.bench.rows import Effort, Row, interleaved, ratio, spread
from tests.bench.video import arena

GOAL = 1.8
MOST_LOSS = 0.005  # mAP50-95
PLACES = {"int8": "Triton", "alone": "OpenVINO in the worker"}
EVERY = 4  # of the video's frames, one is looked at


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """The network in both forms, and the whole analysis against ultralytics, with and without Triton."""
    from services.model_deployer.engines.int8 import quantise
    from services.model_deployer.engines.variants import choose_variant

    frames = effort.of(300, 150)
    video, whole = arena(folder, frames), SHIPPED / "model.onnx"
    classes = json.loads((SHIPPED / "model.json").read_text())["classes"]
    data = _data_set(video, folder / "arena.csv", folder / "int8_data", frames)
    integers = folder / "model.int8.onnx"
    chosen = choose_variant(
        whole, data, integers, classes=classes, image_size=IMAGE_SIZE, most_loss=MOST_LOSS
    )
    say(chosen.reason)
    if not integers.is_file():  # measured all the same: how much would it have been
        taught = sorted((data / "images" / "train").iterdir())
        quantise(whole, taught, IMAGE_SIZE, integers)
    repositories = {}
    for name, onnx in (("fp32", whole), ("int8", integers)):
        repositories[name] = ModelRepository(folder / f"models_{name}")
        repositories[name].write(
            "arena", 1, onnx, classes=classes, task="detect", image_size=IMAGE_SIZE
        )
    context = get_context("spawn")
    with (
        TritonProcess(triton_venv(), repositories["fp32"].root) as fp32,
        TritonProcess(triton_venv(), repositories["int8"].root) as int8,
        ProcessPoolExecutor(2, context) as workers,
        ProcessPoolExecutor(1, context) as yolo,
    ):

        def ours(url: str) -> Callable[[], float]:
            return lambda: analysed(workers, url, video, folder / "int8_ours")

        def theirs() -> float:
            out = folder / "int8_theirs"
            shutil.rmtree(out, ignore_errors=True)
            return yolo.submit(analysis_side.predict, whole, video, IMAGE_SIZE, out).result()

        alone = f"openvino:{repositories['int8'].root}"
        sides = {
            "int8": ours(int8.url),
            "alone": ours(alone),
            "fp32": ours(fp32.url),
            "yolo": theirs,
        }
        for side in sides.values():
            side()  # connections, caches
        seconds = interleaved(effort.turns(5), sides, say)
    rates = {side: f"{frames / median(each):.1f} frames/s" for side, each in seconds.items()}
    told = f"{frames} frames of 640x480 at {IMAGE_SIZE} px, end to end"
    against_fp32 = 1 / ratio(seconds["int8"], seconds["fp32"])
    against_yolo = {side: 1 / ratio(seconds[side], seconds["yolo"]) for side in PLACES}
    return [
        Row(
            f"8-bit integers against 32 bits on the processor (Triton), {told}",
            f"more than 1.0x, at most {MOST_LOSS:g} mAP50-95 less",
            f"{against_fp32:.2f}x ({spread(seconds['fp32'], seconds['int8'])})",
            against_fp32 > 1 and chosen.variant == "int8",
            rates["int8"],
            rates["fp32"],
            chosen.reason,
        ),
        *(
            Row(
                f"analysis in 8-bit integers ({place}) against `yolo predict save=True` on the "
                f"ONNX file, {told}",
                f"at least {GOAL}x the frames/s",
                f"{against_yolo[side]:.2f}x ({spread(seconds['yolo'], seconds[side])})",
                against_yolo[side] >= GOAL,
                rates[side],
                rates["yolo"],
                f"In 32 bits, on Triton, ours makes {rates['fp32']}. Same video, input size, "
                "confidence and IoU.",
            )
            for side, place in PLACES.items()
        ),
    ]


def _data_set(video: Path, truth: Path, folder: Path, frames: int) -> Path:
    """Frames of the first half to calibrate on, of the second half with labels to judge by."""
    import cv2

    boxes: dict[int, list[str]] = defaultdict(list)
    reader = cv2.VideoCapture(str(video))
    width, height = (
        reader.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    with truth.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            x, y, w, h = (float(row[name]) for name in ("x", "y", "w", "h"))
            shares = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
            line = "0 " + " ".join(f"{share:.6f}" for share in shares)
            boxes[int(row["frame"])].append(line)
    for name in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / name).mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        seen, image = reader.read()
        if not seen or number % EVERY:
            continue
        name = "train" if number < frames / 2 else "val"
        cv2.imwrite(str(folder / "images" / name / f"{number:08d}.jpg"), image)
        text = folder / "labels" / name / f"{number:08d}.txt"
        text.write_text("".join(f"{line}\n" for line in boxes[number]), encoding="utf-8")
    reader.release()
    return folder
