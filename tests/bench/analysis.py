"""The analysis of a video, end to end, against `yolo predict save=True`; and its memory.

Ours is what the mesh does: Triton, one process that analyses, then the four writers of the chord on
two processes (the default of `ACTVERSE_WORKER__CONCURRENCY` for model_inference). Theirs writes the
overlaid video only. Both sides are warm processes: imports and the loading of the model are in
neither figure.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from deploy.local.triton import TritonProcess, available
from shared.serving.repository import ModelRepository
from tests.bench import analysis_side
from tests.bench.rows import Effort, Row, interleaved, ratio, spread
from tests.bench.tiny_model import SIZE, write_tiny_model
from tests.bench.video import arena, repeated

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "triton_models" / "global"
IMAGE_SIZE = 320
WRITERS = ("write_csv", "write_json", "write_chunks", "render_overlay")
GROWTH = 1.10


def measure_speed(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Frames a second, both sides on the same ONNX file and the same video."""
    frames = effort.of(300, 150)
    video, onnx = arena(folder, frames), SHIPPED / "model.onnx"
    repository = ModelRepository(folder / "models")
    card = json.loads((SHIPPED / "model.json").read_text())
    repository.write(
        "global", 1, onnx, classes=card["classes"], task="detect", image_size=IMAGE_SIZE
    )
    context = get_context("spawn")
    with (
        TritonProcess(triton_venv(), repository.root) as triton,
        ProcessPoolExecutor(2, context) as workers,
        ProcessPoolExecutor(1, context) as yolo,
    ):

        def ours() -> float:
            return analysed(workers, triton.url, video, folder / "ours")

        def theirs() -> float:
            out = folder / "theirs"
            shutil.rmtree(out, ignore_errors=True)
            return yolo.submit(analysis_side.predict, onnx, video, IMAGE_SIZE, out).result()

        ours(), theirs()  # connections, caches
        seconds = interleaved(effort.turns(7), {"ours": ours, "yolo": theirs}, say)
    measured = 1 / ratio(seconds["ours"], seconds["yolo"])
    ours_fps, yolo_fps = (frames / statistics.median(seconds[side]) for side in ("ours", "yolo"))
    return [
        Row(
            f"analysis end to end (Triton; csv + json + chunks + overlay), {frames} frames of "
            f"640x480 at {IMAGE_SIZE} px",
            "at least 1.0x the frames/s of `yolo predict save=True`",
            f"{measured:.2f}x ({spread(seconds['yolo'], seconds['ours'])})",
            measured >= 1.0,
            f"{ours_fps:.1f} frames/s",
            f"{yolo_fps:.1f} frames/s",
            "The same ONNX file, square input, confidence and IoU. Imports and the loading of the model are in "
            "neither figure; tracking, csv and json are in ours only.",
        )
    ]


def analysed(workers: ProcessPoolExecutor, url: str, video: Path, folder: Path) -> float:
    """As the step does: the analysis, then its writers side by side."""
    shutil.rmtree(folder, ignore_errors=True)
    work, out = folder / "work", folder / "out"
    out.mkdir(parents=True)
    seconds = workers.submit(analysis_side.analyse, url, video, work).result()
    # the longest first, as one of two processes is at it while the other does the rest
    written = [workers.submit(analysis_side.write, name, work, out, video) for name in WRITERS]
    spans = [each.result() for each in written]
    return seconds + max(end for _, end in spans) - min(begin for begin, _ in spans)


def measure_memory(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """Peak memory of one process that analyses and writes everything, by the length of the video.

    The network is a single layer, so that 10 000 frames take seconds: what the memory holds does
    not depend on how long the server thinks, and the server is another process.
    """
    short, long = (effort.of(frames, frames // 4) for frames in (1_000, 10_000))
    clip = arena(folder, effort.of(300, 150))
    onnx = write_tiny_model(folder / "tiny.onnx")
    repository = ModelRepository(folder / "models_tiny")
    repository.write("tiny", 1, onnx, classes=("animal",), task="detect", image_size=SIZE)
    peaks = {}
    with TritonProcess(triton_venv(), repository.root) as triton:
        for frames in (short, long):
            video = repeated(clip, frames)
            argv = [sys.executable, "-m", "tests.bench.analysis_side", triton.url, str(video)]
            argv += [str(folder / f"memory_{frames}")]
            done = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True)
            told = json.loads(done.stdout.splitlines()[-1])
            if told["frames"] != frames or not told["detections"]:
                raise RuntimeError(f"{video} was not analysed whole: {told}")
            peaks[frames] = told["peak_mib"]
            say(f"{frames} frames: {told}")
    growth = peaks[long] / peaks[short]
    return [
        Row(
            f"peak memory of the analysing process, {long} frames against {short}",
            f"at most {GROWTH:.2f}x",
            f"{growth:.3f}x",
            growth <= GROWTH,
            f"{peaks[long]:.0f} MiB",
            f"{peaks[short]:.0f} MiB",
            "Analysis and all four writers in one process; resident memory at its peak.",
        )
    ]


def triton_venv() -> Path:
    venv = ROOT / ".venv-triton"
    reason = available(venv)
    if reason:
        raise RuntimeError(f"No Triton: {reason}")
    return venv
