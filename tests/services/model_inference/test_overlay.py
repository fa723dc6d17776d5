"""The overlaid video: every frame, playable everywhere, boxes where the boxes are."""

from __future__ import annotations

import av
import numpy as np
import pytest

from services.model_inference.engines.analysis import analyse
from services.model_inference.engines.chunks import FrameRows, Row
from services.model_inference.engines.overlay import render_overlay
from services.model_inference.engines.painter import Painter, drawable
from services.model_inference.engines.port import AnalysisSettings
from services.model_inference.engines.timeline import Timeline, Trails
from shared.errors import Cancelled
from tests.services.model_inference.arena import SIDE, render, wandering


def _frames(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        described = (
            stream.codec_context.name,
            stream.codec_context.pix_fmt,
            stream.width,
            stream.height,
        )
        images = [
            (frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)
        ]
    return described, images


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Larger than the model's input, so that there is room for labels."""
    return render(tmp_path_factory.mktemp("overlay") / "moving.mp4", 40, size=(320, 240))


def _overlay(video, server, folder, settings=None):
    analyse(video, server.model, server, settings or AnalysisSettings(), folder / "work")
    return render_overlay(folder / "work", folder / "out", video)


def test_all_frames_are_there_in_a_format_that_browsers_play(video, server, tmp_path):
    final = _overlay(video, server, tmp_path)
    assert final == tmp_path / "out" / "overlaid_results.mp4"
    described, images = _frames(final)
    assert described == ("h264", "yuv420p", 128, 128)
    assert len(images) == 100
    assert [time for time, _ in images] == pytest.approx([n / 25 for n in range(100)], abs=1e-3)
    atoms = final.read_bytes()
    assert atoms.index(b"moov") < atoms.index(b"mdat")  # a browser plays while it loads


def test_boxes_frame_the_squares_in_colour(video, server, tmp_path):
    """Just outside a square the grey ground of the source carries the colour of its track."""
    _, before = _frames(video)
    _, after = _frames(_overlay(video, server, tmp_path))
    coloured = 0
    for number in (5, 30, 60, 95):
        for left, top, _ in wandering(number):
            side = np.s_[int(top) + SIDE // 2, int(left) + SIDE : int(left) + SIDE + 2]
            change = np.abs(after[number][1][side].astype(int) - before[number][1][side])
            coloured += change.max() > 50
    assert coloured >= 7


def test_it_covers_the_analysed_range_only(video, server, tmp_path):
    _, images = _frames(
        _overlay(video, server, tmp_path, AnalysisSettings(max_frames=5, frame_skip=2))
    )
    assert len(images) == 13
    _, images = _frames(_overlay(video, server, tmp_path / "all", AnalysisSettings(frame_skip=30)))
    assert len(images) == 100


def test_without_a_detection_it_is_the_video(server, tmp_path):
    empty = render(tmp_path / "empty.mp4", 12, lambda number: [])
    _, images = _frames(_overlay(empty, server, tmp_path))
    assert len(images) == 12
    assert np.abs(images[6][1].astype(int) - 70).max() < 8


@pytest.mark.parametrize(
    ("name", "size", "codec", "pix_fmt", "expected"),
    [
        ("odd.avi", (129, 101), "mjpeg", "yuvj420p", (128, 100)),
        ("full.mp4", (128, 96), "libx264", "yuv444p", (128, 96)),
    ],
)
def test_odd_sizes_and_other_pixel_formats(server, tmp_path, name, size, codec, pix_fmt, expected):
    clip = render(
        tmp_path / name, 10, lambda n: [(20 + n, 30, 0)], size=size, codec=codec, pix_fmt=pix_fmt
    )
    described, images = _frames(_overlay(clip, server, tmp_path))
    assert described == ("h264", "yuv420p", *expected)
    assert len(images) == 10


def test_variable_frame_rate_keeps_its_timing(server, tmp_path):
    times_ms = [0, 40, 80, 400, 440, 1000]
    clip = render(tmp_path / "vfr.mp4", 6, pts=lambda number: 500 + times_ms[number])
    _, images = _frames(_overlay(clip, server, tmp_path))
    assert [time for time, _ in images] == pytest.approx([ms / 1000 for ms in times_ms], abs=2e-3)


def test_the_source_and_later_frames_stay_untouched(moving, server, tmp_path):
    """Drawing on a frame that the decoder still predicts from would smear into the next ones."""
    _, before = _frames(moving)
    _, after = _frames(_overlay(moving, server, tmp_path, AnalysisSettings(max_frames=40)))
    for (_, source), (_, drawn) in zip(before, after, strict=True):
        corner = np.s_[200:, 250:]  # nothing ever moves there
        assert np.abs(source[corner].astype(int) - drawn[corner]).max() < 12


def test_cancelled_rendering_leaves_nothing(video, server, tmp_path):
    analyse(video, server.model, server, AnalysisSettings(), tmp_path / "work")

    def stop(fraction, message="", **figures):
        if fraction > 0.3:
            raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        render_overlay(tmp_path / "work", tmp_path / "out", video, stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_every_label_of_every_size_stays_inside_the_image():
    for width, height in ((32, 32), (64, 400), (1920, 1080)):
        image = av.VideoFrame(width, height, "yuv420p")
        for plane in image.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        boxes = [
            Row(1, 0, 0.9, 0.0, 0.0, 8.0, 8.0),
            Row(2, 0, 0.8, width - 9.0, height - 9.0, 9.0, 9.0),
            Row(0, 0, 0.7, -5.0, height / 2, width + 10.0, 30.0),
        ]
        Painter(width, height, ["animal"]).paint(image, boxes, {1: [(1, 1), (width, height)]})
        assert image.to_ndarray(format="gray").std() > 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mouse", "mouse"),
        ("Mäuse", "Mause"),
        ("老鼠", "class 4"),
        ("fly 老鼠", "fly"),
        ("", "class 4"),
    ],
)
def test_labels_use_the_letters_that_the_font_has(name, shown):
    assert drawable(name, 4) == shown


def test_boxes_move_in_straight_lines_over_skipped_frames():
    first, second = Row(1, 0, 0.9, 0, 0, 10, 10), Row(1, 0, 0.5, 40, 20, 10, 10)
    gone = Row(2, 0, 0.8, 5, 5, 5, 5)
    timeline = Timeline([FrameRows(0, 0.0, [first, gone]), FrameRows(4, 0.16, [second])])
    assert timeline.at(0) == [first, gone]
    assert timeline.at(1) == [first._replace(x=10, y=5), gone]
    assert timeline.at(3) == [first._replace(x=30, y=15), gone]
    assert timeline.at(4) == [second]
    assert timeline.at(7) == [second]


def test_trails_are_short_and_forget_the_lost():
    trails = Trails(frames=5)
    for number in range(20):
        seen = trails.follow(number, [Row(1, 0, 0.9, number, 0, 2, 2)] if number < 15 else [])
        if number == 12:
            assert [x for x, _ in seen[1]] == [9, 10, 11, 12, 13]
    assert seen == {}
