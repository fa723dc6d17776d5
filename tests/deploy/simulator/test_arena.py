"""The arena video: the same every time, playable, and its boxes are where the animals are."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from deploy.simulator.arena import HEADER, arena_frames, render_arena
from shared.errors import Cancelled, Invalid

SMALL = {"width": 320, "height": 240}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_video_and_truth(tmp_path):
    for name in ("a", "b"):
        render_arena(
            tmp_path / f"{name}.mp4", tmp_path / f"{name}.csv", seconds=0.5, seed=5, **SMALL
        )
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert pixels(tmp_path / "a.mp4") == pixels(tmp_path / "b.mp4")
    render_arena(tmp_path / "c.mp4", tmp_path / "c.csv", seconds=0.5, seed=6, **SMALL)
    assert (tmp_path / "a.csv").read_bytes() != (tmp_path / "c.csv").read_bytes()


def pixels(path: Path) -> list[bytes]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in video.decode(video=0)]


def test_the_video_is_h264_yuv420p_at_a_constant_rate(tmp_path):
    render_arena(tmp_path / "a.mp4", tmp_path / "a.csv", seconds=1, fps=25, animals=2, **SMALL)
    with av.open(str(tmp_path / "a.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (320, 240, 25)
        times = [float(frame.time) for frame in video.decode(stream)]
    assert len(times) == 25
    assert np.allclose(np.diff(times), 1 / 25, atol=1e-3)


def test_truth_has_the_promised_columns_and_stays_inside_the_picture(tmp_path):
    truth = tmp_path / "a.csv"
    render_arena(tmp_path / "a.mp4", truth, seconds=1, animals=3, **SMALL)
    assert truth.read_text().splitlines()[0] == "frame,track,x,y,w,h,class" == ",".join(HEADER)
    rows = rows_of(truth)
    assert {row["track"] for row in rows} <= {"0", "1", "2"}
    assert {row["class"] for row in rows} == {"mouse"}
    for row in rows:
        x, y, w, h = (float(row[key]) for key in "xywh")
        assert w > 3
        assert h > 3
        assert x >= 0
        assert y >= 0
        assert x + w <= 320
        assert y + h <= 240


def changed(
    seed: int, frames: int
) -> list[tuple[np.ndarray, dict[int, tuple[int, int, int, int]]]]:
    """What one animal changes in every frame, and its box; floor and noise are the same in both."""
    with_one = arena_frames(frames, 30, 640, 480, 1, seed)
    without = arena_frames(frames, 30, 640, 480, 0, seed)
    return [
        (np.abs(a.picture.astype(int) - b.picture.astype(int)).sum(axis=2), a.boxes)
        for a, b in zip(with_one, without, strict=True)
    ]


@pytest.mark.parametrize("seed", [0, 3])
def test_a_box_covers_the_body_and_nothing_but_the_body(seed):
    seen = 0
    for difference, boxes in changed(seed, 24)[::6]:
        for x, y, w, h in boxes.values():
            inside = difference[y : y + h, x : x + w]
            assert inside.sum() > 0.65 * difference.sum()  # the rest is tail, shadow, mirror image
            for edge in (inside[:3], inside[-3:], inside[:, :3], inside[:, -3:]):
                assert edge.max() > 12  # the animal reaches each side of its box
            seen += 1
    assert seen


def test_an_animal_under_the_furniture_has_no_box():
    counts = [len(frame.boxes) for frame in arena_frames(150, 2, 160, 120, 6, 1)]
    assert max(counts) == 6
    assert min(counts) < 6


def test_cancelling_leaves_no_file(tmp_path):
    def report(fraction, message="", **figures):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        render_arena(tmp_path / "a.mp4", tmp_path / "a.csv", seconds=1, report=report, **SMALL)
    assert not list(tmp_path.iterdir())


def test_a_size_that_h264_cannot_carry_is_refused(tmp_path):
    with pytest.raises(Invalid, match="even"):
        render_arena(tmp_path / "a.mp4", tmp_path / "a.csv", width=321, height=240)
