from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.labels.errors import LabelInvalid
from shared.labels.folder import read_frames, read_label_folder, write_label_folder

MOUSE = Box(0, 0.5, 0.5, 0.25, 0.25)
FLY = Box(1, 0.25, 0.75, 0.125, 0.125)
LABELS = LabelSet(
    ("mouse", "fly"),
    (
        FrameLabels.seen(0, "00000000.jpg", [MOUSE, FLY]),
        FrameLabels.seen(30, "00000030.jpg", []),
        FrameLabels(60, "00000060.jpg", FrameState.UNSEEN),
    ),
)


@pytest.fixture
def frames_json(tmp_path) -> Path:
    rows = [{"frame": f.frame, "file": f.file, "time_s": f.frame / 30} for f in LABELS.frames]
    file = tmp_path / "frames.json"
    file.write_text(json.dumps({"fps": 30, "frames": rows}))
    return file


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "labels"
    write_label_folder(folder, LABELS)
    return folder


def test_three_states_come_back(folder, frames_json):
    read = read_label_folder(folder, frames_json)
    assert read == LABELS
    assert read.sha256 == LABELS.sha256
    assert [frame.state.value for frame in read.frames] == ["labelled", "empty", "unseen"]
    assert [frame.frame for frame in read.usable] == [0, 30]


def test_the_layout_is_the_one_that_other_tools_know(folder):
    assert sorted(file.name for file in folder.iterdir()) == [
        "00000000.txt",
        "00000030.txt",
        "classes.txt",
        "labels.json",
    ]
    assert (folder / "00000000.txt").read_text().splitlines()[0].startswith("0 0.500000 ")
    assert (folder / "00000030.txt").read_text() == ""
    summary = json.loads((folder / "labels.json").read_text())
    assert summary["states"] == {"labelled": 1, "empty": 1, "unseen": 1}
    assert summary["sha256"] == LABELS.sha256


def test_writing_again_forgets_what_became_unseen(folder, frames_json):
    frames = (LABELS.frames[0], FrameLabels(30, "00000030.jpg", FrameState.UNSEEN))
    fewer = LabelSet(LABELS.classes, (*frames, LABELS.frames[2]))
    write_label_folder(folder, fewer)
    write_label_folder(folder, fewer)
    assert read_label_folder(folder, frames_json) == fewer


def test_a_folder_of_another_tool_needs_texts_and_classes_only(tmp_path, frames_json):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "00000030.txt").write_text("0 .5 .5 .25 .25\n")
    with pytest.raises(LabelInvalid, match=r"classes\.txt is missing\. Write the class names"):
        read_label_folder(theirs, frames_json)
    read = read_label_folder(theirs, frames_json, classes=["mouse"])
    assert [frame.state.value for frame in read.frames] == ["unseen", "labelled", "unseen"]
    (theirs / "classes.txt").write_text("\ufeffmouse\r\n\n")
    assert read_label_folder(theirs, frames_json) == read


def test_labels_do_not_depend_on_who_wrote_them(folder, frames_json):
    text = folder / "00000000.txt"
    text.write_text("0 0.5 0.5 0.25 0.25\n1 0.25 0.75 0.125 0.125")
    assert read_label_folder(folder, frames_json).sha256 == LABELS.sha256
    text.write_text("0 0.5 0.5 0.25 0.26\n")
    assert read_label_folder(folder, frames_json).sha256 != LABELS.sha256


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("00000000.txt", b"7 .5 .5 .1 .1", r"00000000\.txt line 1: class 7 does not exist"),
        ("00000000.txt", b"\xff\xfe0\x00", r"00000000\.txt is not a UTF-8 text"),
        ("00000000.txt", b"0 .5 .5 .1 .1\n" * 80_000, r"over 1000000 bytes; that is no label"),
        ("00000031.txt", b"", r"00000031\.txt belongs to no frame of frames\.json"),
        ("classes.txt", b"", r"classes\.txt names no class"),
        ("classes.txt", b"mouse\nmouse\n", r"line 2: mouse is there twice"),
        ("classes.txt", b"mouse\n\nfly\n", r"line 2: a class needs a readable name"),
    ],
)
def test_wrong_files_are_named(folder, frames_json, file, content, says):
    (folder / file).write_bytes(content)
    with pytest.raises(LabelInvalid, match=says):
        read_label_folder(folder, frames_json)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (FrameLabels(3, "3.jpg", FrameState.EMPTY, (MOUSE,)), "is empty but has boxes"),
        (FrameLabels(3, "3.jpg", FrameState.LABELLED), "is labelled but has no box"),
        (FrameLabels.seen(3, "3.jpg", [Box(0, 0.5, float("nan"), 0.1, 0.1)]), "cy is nan"),
        (FrameLabels.seen(3, "3.jpg", [Box(2, 0.5, 0.5, 0.1, 0.1)]), "class 2 does not exist"),
    ],
)
def test_nothing_wrong_is_written(tmp_path, frame, says):
    with pytest.raises(LabelInvalid, match=rf"Frame 3 \(3\.jpg\).*{says}"):
        write_label_folder(tmp_path / "labels", LabelSet(LABELS.classes, (frame,)))
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not valid JSON"),
        ("{}", "has no list `frames`"),
        ('{"frames": [{"frame": 1}]}', "is not a frame"),
        ('{"frames": [{"frame": 1, "file": "1.jpg"}]}', "is not a frame"),
        ('{"frames": [{"frame": 1, "file": "../1.jpg", "time_s": 0}]}', "not a plain file name"),
    ],
)
def test_a_wrong_list_of_frames_is_explained(tmp_path, content, says):
    file = tmp_path / "frames.json"
    file.write_text(content)
    with pytest.raises(LabelInvalid, match=says):
        read_frames(file)


def test_frames_are_in_the_order_of_the_video_and_unique(tmp_path):
    file = tmp_path / "frames.json"
    rows = [{"frame": 50, "file": "50.jpg"}, {"frame": 25, "file": "25.jpg", "time_s": 1.04}]
    file.write_text(json.dumps({"fps": 25.0, "frames": rows}))
    assert [(each.frame, each.time_s) for each in read_frames(file)] == [(25, 1.04), (50, 2.0)]
    rows[1]["file"] = "50.png"
    file.write_text(json.dumps({"fps": 25.0, "frames": rows}))
    with pytest.raises(LabelInvalid, match=r"lists 50\.txt twice"):
        read_frames(file)


def test_there_must_be_a_folder(tmp_path, frames_json):
    with pytest.raises(LabelInvalid, match="There is no label folder"):
        read_label_folder(tmp_path / "nothing", frames_json)
