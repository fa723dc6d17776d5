"""normalised.mp4, whatever came in: read back by plain decoding."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import pytest

from services.video_processor.engines.opening import atoms
from services.video_processor.engines.port import EncodeSettings, VideoLimits
from services.video_processor.engines.probe import probe, validate
from services.video_processor.engines.transcode import normalise
from shared.errors import Cancelled, MediaRejected, OutOfSpace
from shared.progress.report import silent
from tests.services.video_processor.films import film, seen

REAL = Path(__file__).parents[3] / "../shared/data/vision/flies/small_robot_3_frame.mp4"
RED, GREEN = (30, 30, 220), (30, 200, 30)


def normalised(source, **settings):
    target = source.parent / "normalised.mp4"
    found = validate(source, VideoLimits())
    result = normalise(
        source, target, found, silent, encode=EncodeSettings(preset="ultrafast"), **settings
    )
    after = probe(target)
    assert (after.codec, after.pixel_format, after.rotation) == ("h264", "yuv420p", 0)
    assert not after.variable_frame_rate
    assert after.faststart
    assert after.copyable
    assert (after.frames, after.rate) == (result.frames, result.rate)
    assert (after.width, after.height) == (result.width, result.height)
    assert result.bytes == target.stat().st_size
    assert not target.with_name("normalised.mp4.part").exists()
    return result, *seen(target)


def close(pixel, wanted):
    return all(abs(int(a) - b) < 40 for a, b in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("444.mp4", {"pixels": "yuv444p"}),
        ("10.mp4", {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none"}}),
        ("full.mp4", {"pixels": "yuvj420p"}),
        ("x.avi", {"codec": "mpeg4", "options": {"b": "4M"}}),
        ("j.avi", {"codec": "mjpeg", "pixels": "yuvj420p", "options": {"b": "9M"}}),
        ("v.webm", {"codec": "libvpx", "options": {"deadline": "realtime", "b": "4M"}}),
        ("f.mkv", {"codec": "ffv1"}),
        ("i.mp4", {"options": {"flags": "+ildct", "x264-params": "interlaced=1"}}),
        ("ts.ts", {"options": {"x264-params": "interlaced=1"}}),
    ],
)  # fmt: skip
def test_every_frame_arrives_once_and_in_order(tmp_path, name, made):
    result, numbers, times, last = normalised(film(tmp_path / name, frames=40, **made))
    assert not result.copied
    assert numbers == list(range(40))
    assert times == pytest.approx([n / 25 for n in range(40)])
    assert close(last[80, 20], RED)
    assert close(last[80, 140], GREEN)


def test_gray_becomes_gray(tmp_path):
    _, numbers, _, last = normalised(
        film(tmp_path / "g.mkv", frames=10, codec="ffv1", pixels="gray")
    )
    assert numbers == list(range(10))
    assert abs(last[80, 20].astype(int) - last[80, 20].mean()).max() < 6


def test_full_range_keeps_its_brightness(tmp_path):
    source = film(tmp_path / "full.mp4", frames=3, pixels="yuvj420p", options={"crf": "1"})
    *_, before = seen(source)
    *_, after = normalised(source)
    assert abs(before.astype(int) - after).mean() < 4


def test_odd_sides_lose_their_last_pixels(tmp_path):
    result, numbers, *_ = normalised(
        film(tmp_path / "odd.mkv", frames=12, size=(163, 97), codec="ffv1", pixels="yuv444p")
    )
    assert (result.width, result.height) == (162, 96)
    assert numbers == list(range(12))


@pytest.mark.parametrize(
    ("rotation", "hflip", "size", "red", "green"),
    [
        (
            90,
            False,
            (96, 160),
            (140, 80),
            (20, 80),
        ),  # shown turned left: bottom left goes right, down
        (-90, False, (96, 160), (20, 16), (140, 16)),
        (180, False, (160, 96), (20, 140), (20, 20)),
        (0, True, (160, 96), (80, 140), (80, 20)),
    ],
)
def test_a_turn_is_applied_as_players_do(tmp_path, rotation, hflip, size, red, green):
    source = film(tmp_path / "r.mp4", frames=6, rotation=rotation, hflip=hflip)
    result, _, _, last = normalised(source)
    assert (result.width, result.height) == size
    assert close(last[red], RED)
    assert close(last[green], GREEN)


def test_a_variable_rate_becomes_constant_and_times_stay(tmp_path):
    """Second 0 at 30 frames, second 1 at 10: shown again every 1/30 s, nothing moves in time."""
    times = [n / 30 for n in range(30)] + [1 + n / 10 for n in range(10)]
    result, numbers, shown, _ = normalised(film(tmp_path / "v.mp4", frames=40, times=times))
    assert result.rate == "30"
    for number, time in zip(numbers, shown, strict=True):
        latest = max(n for n, t in enumerate(times) if t <= time + 1 / 60)
        assert abs(latest - number) <= 1
        assert abs(times[number] - time) < 0.1 + 1 / 30
    assert set(numbers) >= set(range(30))
    assert shown == pytest.approx([n / 30 for n in range(len(shown))])


def test_a_rate_above_the_chosen_one_drops_frames_not_time(tmp_path):
    times = [n / 20 for n in range(40)] + [2 + n / 60 for n in range(30)]
    result, numbers, shown, _ = normalised(film(tmp_path / "v.mkv", frames=70, times=times))
    assert shown[-1] == pytest.approx(times[-1], abs=0.06)
    assert numbers == sorted(set(numbers))
    assert result.frames < 70


def test_what_is_in_order_already_is_linked_not_copied(tmp_path):
    source = film(tmp_path / "a.mp4", frames=20, container_options={"movflags": "+faststart"})
    result, numbers, *_ = normalised(source)
    assert result.copied
    assert (tmp_path / "normalised.mp4").samefile(source)
    assert numbers == list(range(20))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("late-index.mp4", {}),
        ("sound.mp4", {"sound": True, "container_options": {"movflags": "+faststart"}}),
        ("ms.mkv", {"rate": 30}),
        ("b.mkv", {"rate": 30, "options": {"preset": "medium", "bf": "3"}}),
        ("ts.ts", {"options": {"preset": "medium"}}),
        ("q.mov", {}),
    ],
)
def test_other_wrappings_are_changed_without_encoding(tmp_path, name, made):
    source = film(tmp_path / name, frames=40, **made)
    result, numbers, times, last = normalised(source)
    assert result.copied
    assert not probe(tmp_path / "normalised.mp4").has_audio
    assert numbers == list(range(40))
    rate = made.get("rate", 25)
    assert times == pytest.approx([n / rate for n in range(40)], abs=1e-4)
    assert (seen(source)[2] == last).all()  # the very same pixels


def test_boxes_of_pixels_that_are_not_square_stay_valid(tmp_path):
    source = film(tmp_path / "a.mkv", frames=5, codec="mpeg4", aspect=2)
    result, *_ = normalised(source)
    assert (result.width, result.height) == (160, 96)
    assert probe(tmp_path / "normalised.mp4").sample_aspect_ratio == pytest.approx(2.0)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_very_short_video_stays_whole(tmp_path, frames):
    _, numbers, *_ = normalised(film(tmp_path / "s.mkv", frames=frames, codec="ffv1"))
    assert numbers == list(range(frames))


@pytest.mark.skipif(not REAL.exists(), reason="the real videos do not lie beside this checkout")
def test_the_real_three_frame_video(tmp_path):
    (tmp_path / "robot.mp4").write_bytes(REAL.read_bytes())
    result, numbers, *_ = normalised(tmp_path / "robot.mp4")
    assert (result.frames, len(numbers), result.width, result.height) == (3, 3, 560, 320)


def test_a_cut_video_goes_on_with_what_is_there(tmp_path):
    source = film(
        tmp_path / "a.mp4",
        frames=200,
        size=(320, 192),
        container_options={"movflags": "+faststart"},
    )
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * 0.97)])
    result, numbers, *_ = normalised(source)
    assert not result.copied
    assert 180 <= result.frames < 200
    assert numbers[:180] == list(range(180))


def test_frames_that_do_not_decode_are_bridged_and_counted(tmp_path):
    source = film(
        tmp_path / "hurt.avi", frames=60, codec="mjpeg", pixels="yuvj420p", options={"b": "9M"}
    )
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    at, size = places[30]
    data[at + 10 : at + size - 10] = bytes(size - 20)  # one picture gone
    source.write_bytes(data)
    result, numbers, *_ = normalised(source)
    assert result.frames == 60
    assert numbers[29] == 29
    assert numbers[31:] == list(range(31, 60))


def test_too_much_damage_is_refused(tmp_path):
    source = film(
        tmp_path / "hurt.avi", frames=60, codec="mjpeg", pixels="yuvj420p", options={"b": "9M"}
    )
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for at, size in places[20:]:
        data[at + 10 : at + size - 10] = bytes(size - 20)
    source.write_bytes(data)
    with pytest.raises(MediaRejected, match="of 60 frames can be read"):
        normalised(source)
    assert not (tmp_path / "normalised.mp4").exists()
    assert not (tmp_path / "normalised.mp4.part").exists()


def test_a_size_that_changes_midway_is_brought_to_the_first(tmp_path):
    first = film(tmp_path / "1.ts", frames=10, size=(160, 96), codec="mpeg2video")
    second = film(tmp_path / "2.ts", frames=10, size=(320, 192), codec="mpeg2video")
    source = tmp_path / "both.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    result, numbers, *_ = normalised(source)
    assert (result.width, result.height) == (160, 96)
    assert numbers[:9] == list(range(9))  # the decoder drops the last one at the change of size
    assert numbers[-10:] == list(range(10))


def test_cancel_leaves_nothing_and_a_second_call_completes(tmp_path):
    source = film(tmp_path / "a.avi", codec="mpeg4", frames=30)

    def cancelled(fraction, message="", **figures):
        if fraction > 0.5:
            raise Cancelled("The user cancelled the task.")

    found = probe(source)
    with pytest.raises(Cancelled):
        normalise(source, tmp_path / "normalised.mp4", found, cancelled)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.avi"]
    assert normalised(source)[0] == normalised(source)[0]


def test_progress_rises_to_one(tmp_path):
    fractions = []
    source = film(tmp_path / "a.avi", codec="mpeg4", frames=30)
    normalise(source, tmp_path / "n.mp4", probe(source), lambda f, m="", **_: fractions.append(f))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is a Linux device")
@pytest.mark.parametrize("codec", ["ffv1", "libx264"])
def test_a_full_disk_is_named(tmp_path, codec, monkeypatch):
    source = film(tmp_path / "a.mkv", codec=codec, frames=30, size=(320, 192))
    part = tmp_path / "normalised.mp4.part"
    real = Path.unlink

    def full(path, missing_ok=False):
        real(path, missing_ok=missing_ok)
        if path == part and not part.is_symlink():
            part.symlink_to("/dev/full")

    monkeypatch.setattr(Path, "unlink", full)
    with pytest.raises(OutOfSpace, match="disk is full"):
        normalise(source, tmp_path / "normalised.mp4", probe(source), silent)


def test_the_index_lies_before_the_data(tmp_path):
    normalised(film(tmp_path / "a.mkv", codec="ffv1"))
    layout = atoms(tmp_path / "normalised.mp4")
    assert layout.index("moov") < layout.index("mdat")
