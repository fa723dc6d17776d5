"""What the processes of the analysis bench do.

`python -m tests.bench.analysis_side URL VIDEO FOLDER` does all of it in one process and tells how
much memory it took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

from shared.events.settings import AnalysisSettings
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.port import ModelServer
from shared.serving.triton_server import TritonModelServer
from tests.bench.plain import ultralytics

SETTINGS = AnalysisSettings()


@cache
def _server(url: str) -> ModelServer:
    return OpenVinoServer.from_url(url) if url.startswith("openvino:") else TritonModelServer(url)


def analyse(url: str, video: Path, work: Path) -> float:
    """Seconds of the analysis with the only model of the server."""
    from services.model_inference.engines import analysis

    server = _server(url)
    spec = server.spec(server.models()[0].name)
    begun = time.perf_counter()
    analysis.analyse(video, spec, server, SETTINGS, work)
    return time.perf_counter() - begun


def write(name: str, work: Path, out: Path, video: Path) -> tuple[float, float]:
    """Write one of the results; when that began and ended, seconds of the system's clock."""
    from services.model_inference.engines import documents, overlay, table

    begun = time.monotonic()
    if name == "render_overlay":
        overlay.render_overlay(work, out, video)
    else:
        getattr(table if name == "write_csv" else documents, name)(work, out)
    return begun, time.monotonic()


@cache
def _yolo(onnx: Path, size: int, settings: Path) -> Any:
    import numpy as np

    model = ultralytics(settings).YOLO(str(onnx), task="detect")
    model.predict(np.zeros((size, size, 3), np.uint8), imgsz=size, rect=False, verbose=False)
    return model


def predict(onnx: Path, video: Path, size: int, out: Path) -> float:
    """Seconds of `yolo predict save=True`, with the same thresholds as ours."""
    model = _yolo(onnx, size, out.parent / ".ultralytics")
    begun = time.perf_counter()
    for _ in model.predict(
        str(video),
        stream=True,  # else it would keep every frame
        imgsz=size,
        conf=SETTINGS.confidence,
        iou=SETTINGS.iou,
        rect=False,  # the exported network takes squares only
        save=True,
        verbose=False,
        project=str(out),
        name="predict",
        exist_ok=True,
    ):
        pass
    return time.perf_counter() - begun


def main(url: str, video: Path, folder: Path) -> None:
    """Everything in this process; prints frames, detections and the peak of resident memory."""
    work, out = folder / "work", folder / "out"
    out.mkdir(parents=True)
    begun = time.perf_counter()
    analyse(url, video, work)
    for name in ("write_csv", "write_json", "write_chunks", "render_overlay"):
        write(name, work, out, video)
    summary = json.loads((work / "summary.json").read_text())
    told = {
        "frames": summary["analysed_frames"],
        "detections": summary["detections"],
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
