"""The streaming path: right rows, right frames, resumed without a difference, little memory."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from services.model_inference.engines.analysis import analyse
from services.model_inference.engines.port import AnalysisSettings
from services.model_inference.engines.table import write_csv
from services.model_inference.errors import (
    AnalysisUnfinished,
    ModelMismatch,
    VideoMissing,
    VideoUnreadable,
)
from shared.errors import Cancelled, Unavailable
from shared.events.settings import AnalysisSettings as AskedSettings
from tests.services.model_inference.arena import RED, SIDE, FileServer, render, wandering

ROOT = Path(__file__).parents[3]
SMALL = AnalysisSettings(chunk_frames=20, batch_size=8)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _reference(video, server, settings, folder) -> bytes:
    analyse(video, server.model, server, settings, folder / "reference")
    return write_csv(folder / "reference", folder / "reference_out").read_bytes()


def test_every_box_of_every_frame_is_where_it_truly_is(video, server, tmp_path):
    seen = []
    summary = analyse(
        video,
        server.model,
        server,
        SMALL,
        tmp_path,
        lambda fraction, message="", **figures: seen.append((fraction, figures)),
    )
    assert (summary.frames, summary.analysed_frames, summary.detections) == (100, 100, 200)
    assert (summary.tracks, summary.chunks) == (2, 5)
    assert summary.frames_per_s > 0
    rows = _rows(write_csv(tmp_path, tmp_path))
    assert len(rows) == 200
    identity: dict[str, set[str]] = {}
    for row in rows:
        number = int(row["frame"])
        left, top, _ = next(
            square for square in wandering(number) if ("red", "blue")[square[2]] == row["class"]
        )
        assert abs(float(row["x"]) - left) <= 1
        assert abs(float(row["y"]) - top) <= 1
        assert (float(row["w"]), float(row["h"])) == (SIDE, SIDE)
        assert float(row["time_s"]) == pytest.approx(number / 25, abs=1e-6)
        identity.setdefault(row["class"], set()).add(row["track_id"])
    assert sorted(map(len, identity.values())) == [1, 1]
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert seen[-1][1]["frames"] == 100


def test_boxes_come_back_to_source_pixels_through_the_letterbox(server, tmp_path):
    """A 256x192 video enters at half the size, with grey above and below."""
    big = render(
        tmp_path / "big.mp4",
        6,
        lambda number: [
            (60 + dx + number * 2, 100 + dy, RED) for dx in (0, SIDE) for dy in (0, SIDE)
        ],
        size=(256, 192),
    )
    analyse(big, server.model, server, SMALL, tmp_path / "work")
    rows = _rows(write_csv(tmp_path / "work", tmp_path))
    assert len(rows) == 6
    for row in rows:
        assert float(row["x"]) == pytest.approx(60 + 2 * int(row["frame"]), abs=2)
        assert float(row["y"]) == pytest.approx(100, abs=2)
        assert (float(row["w"]), float(row["h"])) == (2 * SIDE, 2 * SIDE)


def test_batches_end_where_chunks_end_and_several_are_in_flight(
    video, server, tmp_path, monkeypatch
):
    infer = server.infer

    def slow(spec, batch):
        time.sleep(0.03)
        return infer(spec, batch)

    monkeypatch.setattr(server, "infer", slow)
    settings = AnalysisSettings(chunk_frames=20, batch_size=8, in_flight=4)
    analyse(video, server.model, server, settings, tmp_path)
    assert server.batches == [8, 8, 4] * 5
    assert 2 <= server.most_waiting <= 4


def test_frame_skip_and_max_frames(video, server, tmp_path):
    settings = AnalysisSettings(frame_skip=3, max_frames=7, chunk_frames=3)
    summary = analyse(video, server.model, server, settings, tmp_path)
    assert (summary.analysed_frames, summary.frames, summary.chunks) == (7, 25, 3)
    frames = [int(row["frame"]) for row in _rows(write_csv(tmp_path, tmp_path))]
    assert sorted(set(frames)) == [0, 4, 8, 12, 16, 20, 24]
    assert summary.tracks == 2
    all_of_it = analyse(
        video, server.model, server, AnalysisSettings(frame_skip=6), tmp_path / "skip only"
    )
    assert (all_of_it.analysed_frames, all_of_it.frames) == (15, 100)


def test_tracking_off_leaves_the_number_empty(video, server, tmp_path):
    summary = analyse(video, server.model, server, AnalysisSettings(track=False), tmp_path)
    rows = _rows(write_csv(tmp_path, tmp_path))
    assert summary.tracks == 0
    assert {row["track_id"] for row in rows} == {""}
    assert len(rows) == 200


def test_confidence_is_a_floor_for_what_is_written(video, server, tmp_path):
    low = analyse(video, server.model, server, AnalysisSettings(confidence=0.01), tmp_path / "low")
    high = analyse(video, server.model, server, AnalysisSettings(confidence=0.99), tmp_path / "hi")
    assert low.detections >= 200
    assert high.detections == 0
    rows = _rows(write_csv(tmp_path / "low", tmp_path))
    assert all(row["track_id"].isdigit() and int(row["track_id"]) > 0 for row in rows)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cancelled_at_any_frame_and_continued_the_csv_is_byte_identical(
    video, server, tmp_path, seed
):
    settings = AnalysisSettings(chunk_frames=15, batch_size=4, frame_skip=seed - 1)
    expected = _reference(video, server, settings, tmp_path)
    stops = random.Random(seed)
    work, calls = tmp_path / "work", 0
    while True:
        left = stops.randint(3, 9)

        def report(fraction, message="", **figures):
            nonlocal left
            left -= 1
            if left == 0:
                raise Cancelled("The user cancelled the task.")

        calls += 1
        assert calls < 40
        try:
            analyse(video, server.model, server, settings, work, report)
        except Cancelled:
            continue
        break
    assert calls > 1
    assert write_csv(work, tmp_path / "out").read_bytes() == expected


def test_a_continued_call_does_only_what_is_missing(video, server, tmp_path):
    def stop_late(fraction, message="", **figures):
        if figures["frames"] >= 70:
            raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        analyse(video, server.model, server, SMALL, tmp_path, stop_late)
    with pytest.raises(AnalysisUnfinished, match="has not finished"):
        write_csv(tmp_path, tmp_path)
    server.batches.clear()
    summary = analyse(video, server.model, server, SMALL, tmp_path)
    assert sum(server.batches) == 40  # three of five chunks were there
    assert summary.detections == 200
    server.batches.clear()
    assert analyse(video, server.model, server, SMALL, tmp_path) == summary
    assert server.batches == []


def test_other_settings_or_another_video_start_from_zero(video, server, tmp_path):
    analyse(video, server.model, server, SMALL, tmp_path)
    server.batches.clear()
    analyse(video, server.model, server, SMALL.model_copy(update={"iou": 0.7}), tmp_path)
    assert sum(server.batches) == 100
    other = render(tmp_path / "other.mp4", 30)
    assert analyse(other, server.model, server, SMALL, tmp_path).analysed_frames == 30


def test_a_damaged_chunk_file_is_done_again(video, server, tmp_path):
    expected = _reference(video, server, SMALL, tmp_path)
    work = tmp_path / "work"
    analyse(video, server.model, server, SMALL, work)
    (work / "summary.json").unlink()
    third = work / "chunk_000003.npz"
    third.write_bytes(third.read_bytes()[:200])
    analyse(video, server.model, server, SMALL, work)
    assert write_csv(work, tmp_path / "out").read_bytes() == expected


CHILD = """
    import sys, time
    from pathlib import Path
    from services.model_inference.engines.analysis import analyse
    from services.model_inference.engines.port import AnalysisSettings
    from tests.services.model_inference.arena import FileServer

    video, onnx_file, work = map(Path, sys.argv[1:4])

    def slowly(fraction, message="", **figures):
        print(figures["frames"], flush=True)
        time.sleep(0.1)

    server = FileServer(onnx_file, ("red", "blue"))
    settings = AnalysisSettings(chunk_frames=20, batch_size=8)
    analyse(video, server.model, server, settings, work, slowly)
"""


def test_killed_without_warning_and_continued_the_csv_is_byte_identical(
    video, server, onnx_file, tmp_path
):
    expected = _reference(video, server, SMALL, tmp_path)
    work = tmp_path / "work"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(video), str(onnx_file), str(work)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in child.stdout:
        if int(line) >= 52:  # in the middle of the third chunk
            child.send_signal(signal.SIGKILL)
            break
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    assert not (work / "summary.json").exists()
    assert (work / "chunk_000002.npz").exists()
    analyse(video, server.model, server, SMALL, work)
    assert sum(server.batches) == 100 + 60
    assert write_csv(work, tmp_path / "out").read_bytes() == expected


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("clip.avi", "mjpeg", "yuvj420p"), ("clip.mpg", "mpeg2video", "yuv420p")],
)
def test_other_containers_continue_as_well(server, tmp_path, name, codec, pix_fmt):
    """Where timestamps or the index cannot be trusted, frames are counted from the start."""
    clip = render(tmp_path / name, 50, codec=codec, pix_fmt=pix_fmt)
    expected = _reference(clip, server, SMALL, tmp_path)

    def stop(fraction, message="", **figures):
        if figures["frames"] >= 45:
            raise Cancelled("The user cancelled the task.")

    work = tmp_path / "work"
    with pytest.raises(Cancelled):
        analyse(clip, server.model, server, SMALL, work, stop)
    analyse(clip, server.model, server, SMALL, work)
    assert write_csv(work, tmp_path / "out").read_bytes() == expected
    assert len(expected.splitlines()) >= 90


def test_variable_frame_rate_keeps_true_times(server, tmp_path):
    times_ms = [0, 40, 80, 400, 440, 1000, 1040, 1500]
    clip = render(tmp_path / "vfr.mp4", 8, pts=lambda number: 700 + times_ms[number])
    analyse(clip, server.model, server, SMALL, tmp_path / "work")
    rows = _rows(write_csv(tmp_path / "work", tmp_path))
    by_frame = {int(row["frame"]): float(row["time_s"]) for row in rows}
    assert [by_frame[number] for number in range(8)] == pytest.approx(
        [ms / 1000 for ms in times_ms], abs=1e-3
    )


def test_three_frames_are_enough(server, tmp_path):
    clip = render(tmp_path / "three.mp4", 3)
    summary = analyse(clip, server.model, server, AnalysisSettings(), tmp_path / "work")
    assert (summary.frames, summary.detections, summary.chunks) == (3, 6, 1)


def test_the_real_three_frame_video(server, tmp_path):
    clip = (ROOT / "../shared/data/vision/flies/small_robot_3_frame.mp4").resolve()
    if not clip.is_file():
        pytest.skip("the media beside the checkout (../shared/data) are absent")
    summary = analyse(clip, server.model, server, AnalysisSettings(), tmp_path / "work")
    assert (summary.frames, summary.analysed_frames) == (3, 3)


def test_a_user_s_settings_are_enough(video, server, tmp_path):
    asked = AskedSettings(max_frames=6, frame_skip=1, batch_size=2)
    summary = analyse(video, server.model, server, asked, tmp_path)
    assert (summary.analysed_frames, summary.frames) == (6, 11)
    assert server.batches == [2, 2, 2]
    assert analyse(video, server.model, server, AnalysisSettings.of(asked), tmp_path) == summary


def test_through_a_real_model_server_with_large_batches(video, server, onnx_file, tmp_path):
    """The rows do not depend on the server; more frames than a request may hold are split."""
    from shared.serving.openvino_server import OpenVinoServer
    from shared.serving.repository import ModelRepository

    repository = ModelRepository(tmp_path / "models", intra_op_threads=1)
    spec = repository.write(
        "squares", 3, onnx_file, classes=["red", "blue"], task="detect", image_size=128
    )
    real = OpenVinoServer(repository, "a test")
    analyse(video, spec, real, AnalysisSettings(batch_size=64), tmp_path / "real")
    real.close()
    analyse(video, server.model, server, SMALL, tmp_path / "small")
    assert (
        write_csv(tmp_path / "real", tmp_path / "a").read_bytes()
        == write_csv(tmp_path / "small", tmp_path / "b").read_bytes()
    )


def test_bad_files_are_named_with_a_reason(server, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("this is not a video")
    with pytest.raises(
        VideoUnreadable, match=r"notes\.mp4 cannot be analysed: it cannot be opened"
    ):
        analyse(text, server.model, server, SMALL, tmp_path / "work")
    with pytest.raises(VideoMissing, match=r"gone\.mp4 does not exist"):
        analyse(tmp_path / "gone.mp4", server.model, server, SMALL, tmp_path / "work")


def test_a_server_that_fails_is_heard_and_the_next_call_continues(
    video, server, tmp_path, monkeypatch
):
    expected = _reference(video, server, SMALL, tmp_path)
    infer, left = server.infer, 8

    def failing(spec, batch):
        nonlocal left
        left -= 1
        if left < 0:
            raise Unavailable("The model server does not answer at 127.0.0.1:8001.")
        return infer(spec, batch)

    with monkeypatch.context() as patched:
        patched.setattr(server, "infer", failing)
        with pytest.raises(Unavailable, match="does not answer"):
            analyse(video, server.model, server, SMALL, tmp_path / "work")
    server.batches.clear()
    analyse(video, server.model, server, SMALL, tmp_path / "work")
    assert sum(server.batches) < 100
    assert write_csv(tmp_path / "work", tmp_path / "out").read_bytes() == expected


def test_a_model_that_does_not_fit_its_description_is_refused(video, onnx_file, tmp_path):
    server = FileServer(onnx_file, ("red", "green", "blue"))
    with pytest.raises(ModelMismatch, match=r"answered with shape \(8, 6, \d+\), expected \(8, 7"):
        analyse(video, server.model, server, SMALL, tmp_path)
    server.close()


def test_no_thread_is_left_behind(video, server, tmp_path):
    import threading

    def stop(fraction, message="", **figures):
        raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        analyse(video, server.model, server, SMALL, tmp_path, stop)
    time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


MEMORY = """
    import resource, sys
    from pathlib import Path
    from services.model_inference.engines.analysis import analyse
    from services.model_inference.engines.documents import write_chunks, write_json
    from services.model_inference.engines.overlay import render_overlay
    from services.model_inference.engines.port import AnalysisSettings
    from services.model_inference.engines.table import write_csv
    from tests.services.model_inference.arena import FileServer

    server = FileServer(Path(sys.argv[1]), ("red", "blue"))
    for video in map(Path, sys.argv[2:]):
        out = video.with_suffix("")
        analyse(video, server.model, server, AnalysisSettings(chunk_frames=200), out)
        write_csv(out, out)
        write_json(out, out)
        write_chunks(out, out)
        render_overlay(out, out, video)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peaks_kib(onnx_file: Path, *videos: Path) -> list[int]:
    """The most memory by the end of each video, in one process: what it keeps of one adds up."""
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY), str(onnx_file), *map(str, videos)],
        cwd=ROOT,
        env={**os.environ, "MALLOC_ARENA_MAX": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(peak) for peak in answer.stdout.split()]


@pytest.mark.parametrize(
    ("short", "long"), [(200, 800), pytest.param(1000, 10_000, marks=pytest.mark.slow)]
)
def test_memory_does_not_grow_with_the_video(onnx_file, tmp_path, short, long):
    videos = [render(tmp_path / f"{frames}.mp4", frames) for frames in (short, long)]
    peaks = _peaks_kib(onnx_file, *videos)
    assert peaks[1] <= 1.1 * peaks[0]
