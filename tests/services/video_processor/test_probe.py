"""What a file really is, and the sentence a user reads when it may not be processed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from services.video_processor.engines.port import Probe, VideoLimits
from services.video_processor.engines.probe import probe, validate
from shared.errors import Cancelled, MediaRejected, NotFound
from tests.services.video_processor.films import film, tone

REAL = Path(__file__).parents[3] / "../shared/data/vision/flies/small_robot_3_frame.mp4"
LIMITS = VideoLimits()


def test_a_plain_video_is_described(tmp_path):
    found = validate(film(tmp_path / "a.mp4", frames=50, sound=True), LIMITS)
    assert (found.video_type, found.codec, found.pixel_format) == ("mp4", "h264", "yuv420p")
    assert (found.width, found.height, found.rotation, found.mirrored) == (160, 96, 0, False)
    assert (found.fps, found.rate, found.variable_frame_rate) == (25.0, "25", False)
    assert (found.frames, found.frames_announced, found.frames_decoded) == (50, 50, 50)
    assert found.duration_s == pytest.approx(2.0)
    assert (found.has_audio, found.audio_codec) == (True, "aac")
    assert found.copyable
    assert not found.truncated
    assert found.bytes == (tmp_path / "a.mp4").stat().st_size
    assert Probe.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("name", "made", "word"),
    [
        ("r.mp4", {"rotation": 90}, "turned"),
        ("m.mp4", {"rotation": 0, "hflip": True}, "mirrored"),
        ("444.mp4", {"pixels": "yuv444p"}, "yuv444p"),
        ("10.mp4", {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none"}}, "hevc"),
        ("gray.mkv", {"codec": "ffv1", "pixels": "gray"}, "ffv1"),
        ("full.mp4", {"pixels": "yuvj420p"}, "yuvj420p"),
        ("odd.mp4", {"size": (161, 97), "pixels": "yuv444p"}, "yuv444p"),
        ("x.avi", {"codec": "mpeg4"}, "mpeg4"),
        ("j.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}, "mjpeg"),
        ("v.webm", {"codec": "libvpx", "options": {"deadline": "realtime"}}, "vp8"),
        ("f.mkv", {"codec": "ffv1"}, "ffv1"),
        ("i.mp4", {"options": {"flags": "+ildct", "x264-params": "interlaced=1"}}, "interlaced"),
    ],
)  # fmt: skip
def test_what_must_be_transcoded_says_why(tmp_path, name, made, word):
    found = validate(film(tmp_path / name, frames=12, **made), LIMITS)
    assert not found.copyable
    assert word in found.why
    assert found.frames == 12
    assert not found.truncated


def test_matroska_milliseconds_are_a_constant_rate(tmp_path):
    found = probe(film(tmp_path / "a.mkv", frames=90, rate=30))
    assert not found.variable_frame_rate
    assert found.rate == "30"
    assert found.copyable


def test_a_variable_rate_is_seen_and_a_rate_chosen(tmp_path):
    times = [n / 30 if n < 30 else 1 + (n - 30) / 15 for n in range(60)]
    found = probe(film(tmp_path / "v.mp4", frames=60, times=times))
    assert found.variable_frame_rate
    assert found.rate == "30"
    assert found.duration_s == pytest.approx(3.0, abs=0.1)
    assert any("made constant" in note for note in found.notes)


def test_a_turned_video_has_the_sides_of_what_is_shown(tmp_path):
    found = probe(film(tmp_path / "r.mp4", frames=5, rotation=-90))
    assert (found.width, found.height, found.rotation) == (96, 160, 90)
    assert (found.coded_width, found.coded_height) == (160, 96)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_very_short_video_works_and_is_noted(tmp_path, frames):
    found = validate(film(tmp_path / "s.mp4", frames=frames), LIMITS)
    assert (found.frames, found.frames_decoded) == (frames, frames)
    assert found.duration_s == pytest.approx(frames / 25)
    assert f"only {frames} frames" in found.notes[-1]


@pytest.mark.skipif(not REAL.exists(), reason="the real videos do not lie beside this checkout")
def test_the_real_three_frame_video_is_taken():
    assert validate(REAL, LIMITS).frames == 3


def rejected(path, words):
    with pytest.raises(MediaRejected, match=words) as caught:
        validate(path, LIMITS)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"Dear diary, today I recorded nothing at all.\n" * 40, "is text"),
        (b"\xff\xd8\xff\xe0" + bytes(5000), "is a picture"),
        (b"<!DOCTYPE html><html>Sign in</html>", "web page"),
        (bytes(range(256)) * 64, "not a video that can be read"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, content, words):
    (tmp_path / "clip.mp4").write_bytes(content)
    rejected(tmp_path / "clip.mp4", words)


@pytest.mark.parametrize("name", ["clip.m3u8", "clip.mp4"])
def test_a_playlist_opens_no_other_file(tmp_path, name):
    film(tmp_path / "inner.mp4", frames=3)
    (tmp_path / name).write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{tmp_path}/inner.mp4\n#EXT-X-ENDLIST\n"
    )
    rejected(tmp_path / name, "is a playlist")


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.mp4", "aac")])
def test_sound_alone_is_named(tmp_path, name, codec):
    rejected(tone(tmp_path / name, codec), "only sound")


def test_no_frame_at_all_is_named(tmp_path):
    path = film(tmp_path / "none.avi", frames=0, codec="mpeg4")
    rejected(path, "holds no frame")


def test_an_absent_file_says_so(tmp_path):
    with pytest.raises(NotFound, match="gone"):
        validate(tmp_path / "gone.mp4", LIMITS)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_an_mp4_without_its_index_is_called_cut_off(tmp_path):
    rejected(cut(film(tmp_path / "cut.mp4"), 0.7), "index of this mp4")


FAST = {"container_options": {"movflags": "+faststart"}, "frames": 200, "size": (320, 192)}


def test_half_a_video_is_refused_with_figures(tmp_path):
    rejected(cut(film(tmp_path / "half.mp4", **FAST), 0.5), r"of 200 frames can be read, and 90%")


def test_most_of_a_video_goes_on_with_a_note(tmp_path):
    found = validate(cut(film(tmp_path / "most.mp4", **FAST), 0.97), LIMITS)
    assert found.truncated
    assert not found.copyable
    assert 180 <= found.frames < 200
    assert f"{found.frames} of 200 frames" in found.notes[0]


def test_a_cut_matroska_is_noticed_by_its_length(tmp_path):
    path = film(tmp_path / "cut.mkv", frames=300, options={"g": "10"}, rate=25)
    rejected(cut(path, 0.5), "of 300 frames can be read")


def test_damage_inside_is_found_by_decoding(tmp_path):
    path = film(tmp_path / "hurt.mp4", frames=120, size=(320, 192), options={"g": "10"})
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 4, len(data) // 4 * 3, 200):
        data[at : at + 100] = bytes(100)
    path.write_bytes(data)
    rejected(path, "damaged or cut off")


def test_limits_are_sentences(tmp_path):
    path = film(tmp_path / "a.mp4", frames=30)
    for limits, words in (
        (VideoLimits(max_pixels=1000), "160x96 pixels; the limit is 1,000"),
        (VideoLimits(min_side=100), "at least 100"),
        (VideoLimits(max_frames=20), "30 frames; the limit is 20"),
        (VideoLimits(max_fps=10), "25 frames a second"),
    ):
        with pytest.raises(MediaRejected, match=words):
            validate(path, limits)


def test_forged_times_ask_for_no_endless_video(tmp_path):
    path = film(tmp_path / "long.mkv", frames=4, times=[0, 0.04, 0.08, 2_000_000])
    with pytest.raises(MediaRejected, match="Split it, or check its timestamps"):
        validate(path, LIMITS)


def test_cancel_reaches_the_caller(tmp_path):
    def cancelled(*args, **figures):
        raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        validate(film(tmp_path / "a.mp4"), LIMITS, cancelled)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_file_stays_open(tmp_path):
    path = film(tmp_path / "a.mp4", frames=3)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        validate(path, LIMITS)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
