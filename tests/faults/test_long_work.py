"""Long real work, killed wherever chance has it, again and again: the end is the same."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.model_inference.engines.analysis import analyse
from services.model_inference.engines.port import AnalysisSettings
from services.model_inference.engines.table import write_csv
from services.model_trainer.engines.dataset import build_dataset
from services.model_trainer.engines.epoch_table import read_epochs
from services.video_processor.engines.port import SourceSettings
from services.video_processor.engines.sources import source_for
from shared.progress.report import silent
from tests.services.model_inference.arena import FileServer, detector, render
from tests.services.model_trainer import squares
from tests.services.model_trainer.conftest import base_weights  # noqa: F401 - a fixture
from tests.services.video_processor.conftest import (  # noqa: F401 - fixtures
    SHA256,
    SIZE,
    files,
)

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (1, 2, 3)
EPOCHS = 6
FRAMES = 160

TRAIN = """
import sys
from pathlib import Path
from services.model_trainer.engines.dataset import load_dataset
from services.model_trainer.engines.ultralytics_trainer import UltralyticsTrainer
from shared.events.settings import TrainingSettings

work, weights = Path(sys.argv[1]), Path(sys.argv[2])
UltralyticsTrainer(device="cpu", threads=1).train(
    load_dataset(work), weights, TrainingSettings(epochs=int(sys.argv[3]), imgsz=64, batch=8),
    work=work, report=lambda fraction, message="", **figures: print(fraction, flush=True),
)
"""

ANALYSE = """
import sys, time
from pathlib import Path
from services.model_inference.engines.analysis import analyse
from services.model_inference.engines.port import AnalysisSettings
from shared.progress.report import silent
from tests.services.model_inference.arena import FileServer

video, onnx_file, work = map(Path, sys.argv[1:4])

def slowly(fraction, message="", **figures):
    print(fraction, flush=True)
    time.sleep(0.02)

server = FileServer(onnx_file, ("red", "blue"))
analyse(video, server.model, server, AnalysisSettings(chunk_frames=20, batch_size=8), work, slowly)
"""

FETCH = """
import sys
from pathlib import Path
from services.video_processor.engines.port import SourceSettings
from services.video_processor.engines.sources import source_for

url, folder, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
settings = SourceSettings(uploads_root=folder, net_allow=("127.0.0.1",), stall_s=30.0)
source_for(url, settings).fetch(
    url, folder / "source.mp4", max_bytes=limit, report=lambda *_, **__: None
)
"""


def killed_at(fraction: float, script: str, *arguments: object) -> bool:
    """Run `script` and kill -9 it once it reports `fraction`; whether it was alive until then."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            word = line.split()[0] if line.strip() else ""
            if word.replace(".", "", 1).isdigit() and float(word) >= fraction:
                process.kill()
                break
    return process.returncode < 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_training_killed_twice_anywhere_ends_with_the_same_epochs(
    base_weights: Path,  # noqa: F811
    tmp_path: Path,
    seed: int,
) -> None:
    labels = squares.render(tmp_path / "frames", ([0], [0], [], [0]) * 5, step_s=3.0)
    dataset = build_dataset(tmp_path / "frames", labels, squares.FAST, tmp_path / "work")
    chance = random.Random(seed)
    for fraction in sorted(chance.uniform(0.02, 0.95) for _ in range(2)):
        assert killed_at(fraction, TRAIN, dataset.work, base_weights, EPOCHS)
    assert not killed_at(2.0, TRAIN, dataset.work, base_weights, EPOCHS)
    table = next(dataset.work.rglob("results.csv"))
    assert [row["epoch"] for row in read_epochs(table)] == list(range(1, EPOCHS + 1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_analysis_killed_three_times_anywhere_writes_the_same_bytes(
    tmp_path: Path, seed: int
) -> None:
    onnx_file = detector(tmp_path / "model.onnx")
    video = render(tmp_path / "squares.mp4", FRAMES)
    settings = AnalysisSettings(chunk_frames=20, batch_size=8)
    server = FileServer(onnx_file, ("red", "blue"))
    try:
        analyse(video, server.model, server, settings, tmp_path / "whole")
    finally:
        server.close()
    expected = write_csv(tmp_path / "whole", tmp_path / "whole_out").read_bytes()
    work = tmp_path / "work"
    chance = random.Random(seed)
    for fraction in sorted(chance.uniform(0.02, 0.95) for _ in range(3)):
        assert killed_at(fraction, ANALYSE, video, onnx_file, work)
    assert not killed_at(2.0, ANALYSE, video, onnx_file, work)
    assert write_csv(work, tmp_path / "out").read_bytes() == expected


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [1, 3, 5])
def test_a_download_cut_five_times_whose_process_is_killed_between_arrives_whole(
    files,  # noqa: F811
    tmp_path: Path,
    cuts: int,
) -> None:
    files.plan = ["cut"] * cuts + ["stall"] + ["cut"] * (5 - cuts)
    url = f"{files.url}/v.mp4"
    arguments = [sys.executable, "-c", FETCH, url, str(tmp_path), str(10 * SIZE)]
    with subprocess.Popen(arguments, cwd=ROOT) as process:
        while len(files.asked) <= cuts:
            assert process.poll() is None, "the download ended before it could be killed"
            time.sleep(0.01)
        process.kill()
    files.released.set()
    settings = SourceSettings(uploads_root=tmp_path, net_allow=("127.0.0.1",), stall_s=30.0)
    info = source_for(url, settings).fetch(
        url, tmp_path / "source.mp4", max_bytes=10 * SIZE, report=silent
    )
    assert (info.bytes, info.sha256) == (SIZE, SHA256)
    assert info.resumed_from > 0
    assert files.plan == []
