"""Frames of a video as JPEG files: the project's extraction against ffmpeg doing the same."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.video_processor.engines.frame_plan import choose
from tests.bench.rows import Effort, Row, interleaved, ratio, spread
from tests.bench.video import arena

ROOT = Path(__file__).resolve().parents[2]
GOAL = 1.2
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
FRAMES = 600


@dataclass(frozen=True)
class Case:
    """Which frames, and how ffmpeg is told."""

    title: str
    numbers: Sequence[int]
    select: str


SPREAD = choose(FRAMES, 40, seed=1)
CASES = (
    Case("40 frames spread over 600", SPREAD, "+".join(f"eq(n\\,{n})" for n in SPREAD)),
    Case("every third of 600 frames", range(0, FRAMES, 3), "not(mod(n\\,3))"),
)


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """A row a case: few frames of a video, and most of them."""
    from services.video_processor.engines.frames import extract
    from shared.progress.report import silent

    binary = ffmpeg()
    video = arena(folder, FRAMES)
    rows = []
    for case in CASES:

        def ours(numbers: Sequence[int] = case.numbers) -> float:
            out = folder / "ours"
            shutil.rmtree(out, ignore_errors=True)
            begun = time.perf_counter()
            extract(video, numbers, out, silent)
            return time.perf_counter() - begun

        def theirs(case: Case = case) -> float:
            return _ffmpeg(binary, video, case, folder / "theirs")

        if not binary:
            rows.append(
                Row(
                    f"frame extraction: {case.title}",
                    f"at most {GOAL}x the time of ffmpeg",
                    "not measured",
                    None,
                    f"{ours():.2f} s",
                    "no ffmpeg",
                    "There is no ffmpeg on this machine and the environment of the bench, which "
                    "would bring one, could not be made.",
                )
            )
            continue
        ours()
        seconds = interleaved(effort.turns(7), {"ours": ours, "ffmpeg": theirs}, say)
        measured = ratio(seconds["ours"], seconds["ffmpeg"])
        rows.append(
            Row(
                f"frame extraction: {case.title}",
                f"at most {GOAL}x the time of ffmpeg",
                f"{measured:.2f}x ({spread(seconds['ours'], seconds['ffmpeg'])})",
                measured <= GOAL,
                f"{statistics.median(seconds['ours']):.3f} s",
                f"{statistics.median(seconds['ffmpeg']):.3f} s",
                "JPEG of quality 95 and `-q:v 2`; a worker imports its libraries once, so ours is "
                "without them, and ffmpeg's is with the start of its process.",
            )
        )
    return rows


def ffmpeg() -> str | None:
    """The system's ffmpeg, else that of the bench's own environment."""
    if binary := shutil.which("ffmpeg"):
        return binary
    subprocess.run([ROOT / "deploy" / "local" / "setup.sh", "bench"], check=False)
    if not BENCH_PYTHON.exists():
        return None
    code = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    done = subprocess.run([BENCH_PYTHON, "-c", code], check=False, capture_output=True, text=True)
    return done.stdout.strip() or None


def _ffmpeg(binary: str | None, video: Path, case: Case, out: Path) -> float:
    assert binary
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    argv = [binary, "-v", "error", "-i", str(video), "-vf", f"select={case.select}"]
    argv += ["-fps_mode", "passthrough", "-q:v", "2", str(out / "%08d.jpg")]
    begun = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    made = len(list(out.iterdir()))
    if made != len(case.numbers):
        raise RuntimeError(f"ffmpeg made {made} frames of {len(case.numbers)}.")
    return seconds
