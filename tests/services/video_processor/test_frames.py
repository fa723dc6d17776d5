"""Extraction is exact: every frame equals the one that plain decoding counts to."""

from __future__ import annotations

import hashlib
import json
import os
import sys

import av
import cv2
import pytest

from services.video_processor.engines.frame_plan import choose
from services.video_processor.engines.frames import extract
from shared.errors import Cancelled, Invalid, MediaRejected, OutOfSpace
from shared.progress.report import silent
from tests.services.video_processor.films import film, number_in, seen

MEDIUM = {"preset": "medium"}


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".jpg")


def numbers_in(folder, content):
    return [number_in(cv2.imread(str(folder / entry["file"]))) for entry in content["frames"]]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("long-group.mp4", {"options": MEDIUM | {"g": "250"}}),
        ("short-groups.mp4", {"options": MEDIUM | {"g": "12"}}),
        ("pyramid.mp4", {"options": MEDIUM | {"g": "30", "bf": "8", "x264-params": "b-pyramid=normal:b-adapt=0"}}),
        ("open-groups.mp4", {"options": MEDIUM | {"g": "15", "bf": "3", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}}),
        ("open-groups.mkv", {"options": MEDIUM | {"g": "15", "bf": "3", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}}),
        ("refresh.mp4", {"options": MEDIUM | {"g": "20", "x264-params": "intra-refresh=1"}}),
        ("only-keys.mp4", {"options": {"g": "1"}}),
        ("one-key.mp4", {"options": MEDIUM | {"g": "1000", "x264-params": "scenecut=0"}}),
        ("transport.ts", {"options": MEDIUM | {"g": "20"}}),
        ("no-times.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "20", "b": "4M"}}),
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=25:open-gop=1"}}),
        ("variable.mkv", {"times": [n * 0.04 + (n % 3) * 0.01 for n in range(130)], "options": MEDIUM}),
        ("vp8.webm", {"codec": "libvpx", "options": {"deadline": "realtime", "b": "4M", "g": "30", "auto-alt-ref": "1"}}),
    ],
)  # fmt: skip
def test_each_number_is_the_frame_that_counting_gives(tmp_path, name, made):
    video = film(tmp_path / name, frames=130, **made)
    counted, times, _ = seen(video)
    for wanted in (choose(130, 12, 3), choose(130, 60, 4), [0, 129], [64]):
        content = extract(video, wanted, tmp_path / f"f{len(wanted)}", silent)
        assert [entry["frame"] for entry in content["frames"]] == wanted
        assert numbers_in(tmp_path / f"f{len(wanted)}", content) == [counted[n] for n in wanted]
        if None not in times:
            shown = [times[n] - times[0] for n in wanted]
            assert [entry["time_s"] for entry in content["frames"]] == pytest.approx(
                shown, abs=2e-3
            )


def test_the_pixels_are_those_of_plain_decoding(tmp_path):
    video = film(tmp_path / "a.mp4", frames=100, options=MEDIUM | {"bf": "4"})
    wanted = [3, 17, 55, 56, 99]
    extract(video, wanted, tmp_path / "f", silent, quality=95)
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                _, jpeg = cv2.imencode(
                    ".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 95]
                )
                assert (tmp_path / "f" / f"{number:08d}.jpg").read_bytes() == jpeg.tobytes()


def test_the_index_says_what_lies_there(tmp_path):
    video = film(tmp_path / "normalised.mp4", frames=20)
    content = extract(video, [2, 11], tmp_path / "f", silent)
    assert content == json.loads((tmp_path / "f" / "frames.json").read_text())
    assert (content["video"], content["fps"]) == ("normalised.mp4", 25.0)
    first, second = content["frames"]
    assert first.keys() == {"frame", "file", "time_s", "width", "height", "sha256"}
    assert (second["frame"], second["file"], second["time_s"]) == (11, "00000011.jpg", 0.44)
    assert (second["width"], second["height"]) == (160, 96)
    assert (
        second["sha256"]
        == hashlib.sha256((tmp_path / "f" / "00000011.jpg").read_bytes()).hexdigest()
    )
    assert names(tmp_path / "f") == ["00000002.jpg", "00000011.jpg"]


def test_sparse_frames_are_reached_without_decoding_the_rest(tmp_path):
    """Everything between the groups that are needed is destroyed, and nobody notices."""
    video = film(tmp_path / "a.mp4", frames=600, options={"g": "20", "x264-params": "scenecut=0"})
    with av.open(str(video)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(video.read_bytes())
    for number, (at, size) in enumerate(places):
        if number // 20 not in (0, 15, 29):
            data[at : at + size] = bytes(size)
    video.write_bytes(data)
    content = extract(video, [5, 305, 599], tmp_path / "f", silent)
    assert numbers_in(tmp_path / "f", content) == [5, 305, 599]


def test_a_second_call_only_reads(tmp_path):
    video = film(tmp_path / "a.mp4", frames=30)
    first = extract(video, [1, 9, 20], tmp_path / "f", silent)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "f").iterdir()}
    assert extract(video, [20, 9, 1], tmp_path / "f", silent) == first
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "f").iterdir()} == before


def test_a_call_after_a_stop_keeps_what_is_whole(tmp_path):
    video = film(tmp_path / "a.mp4", frames=120)
    wanted = list(range(0, 120, 2))

    def stops(fraction, message="", **figures):
        if fraction > 0.4:
            raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        extract(video, wanted, tmp_path / "f", stops)
    assert not (tmp_path / "f" / "frames.json").exists()
    kept = {name: (tmp_path / "f" / name).stat().st_mtime_ns for name in names(tmp_path / "f")}
    assert len(kept) >= 20
    content = extract(video, wanted, tmp_path / "f", silent)
    assert content == extract(video, wanted, tmp_path / "fresh", silent)
    assert numbers_in(tmp_path / "f", content) == wanted
    assert all((tmp_path / "f" / name).stat().st_mtime_ns == at for name, at in kept.items())


def test_another_choice_leaves_no_old_frame(tmp_path):
    video = film(tmp_path / "a.mp4", frames=30)
    extract(video, [1, 2, 3], tmp_path / "f", silent)
    (tmp_path / "f" / "notes.txt").write_text("mine")
    extract(video, [3, 4], tmp_path / "f", silent)
    assert names(tmp_path / "f") == ["00000003.jpg", "00000004.jpg"]
    assert (tmp_path / "f" / "notes.txt").exists()


def test_another_video_of_the_same_name_is_extracted_again(tmp_path):
    video = film(tmp_path / "a.mp4", frames=30)
    extract(video, [5], tmp_path / "f", silent)
    os.replace(film(tmp_path / "b.mp4", frames=31, size=(320, 192)), video)  # noqa: PTH105 - the call under test
    assert extract(video, [5], tmp_path / "f", silent)["frames"][0]["width"] == 320


def test_a_damaged_frame_file_is_written_again(tmp_path):
    video = film(tmp_path / "a.mp4", frames=30)
    extract(video, [5, 6], tmp_path / "f", silent)
    (tmp_path / "f" / "00000005.jpg").write_bytes(b"half")
    content = extract(video, [5, 6], tmp_path / "f", silent)
    assert numbers_in(tmp_path / "f", content) == [5, 6]


@pytest.mark.parametrize("frames", [1, 3])
def test_all_frames_of_a_very_short_video(tmp_path, frames):
    video = film(tmp_path / "a.mp4", frames=frames)
    content = extract(video, choose(frames, 60, 0), tmp_path / "f", silent)
    assert numbers_in(tmp_path / "f", content) == list(range(frames))


@pytest.mark.parametrize("wanted", [[30], [-1], [0, 99]])
def test_a_frame_beyond_the_end_is_refused(tmp_path, wanted):
    with pytest.raises(Invalid, match="frames 0 to 29"):
        extract(film(tmp_path / "a.mp4", frames=30), wanted, tmp_path / "f", silent)


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(MediaRejected):
        extract(tmp_path / "a.mp4", [0], tmp_path / "f", silent)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is a Linux device")
def test_a_full_disk_is_named(tmp_path):
    video = film(tmp_path / "a.mp4", frames=30)
    extract(video, [3], tmp_path / "f", silent)
    (tmp_path / "f" / "frames.json.part").symlink_to("/dev/full")
    with pytest.raises(OutOfSpace, match=r"frames\.json"):
        extract(video, [3, 4], tmp_path / "f", silent)


def test_progress_rises_to_one(tmp_path):
    fractions = []
    extract(
        film(tmp_path / "a.mp4", frames=60),
        range(60),
        tmp_path / "f",
        lambda f, m="", **_: fractions.append(f),
    )
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
