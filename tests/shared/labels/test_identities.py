"""Identities beside the label texts, which have no place for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.labels.errors import LabelInvalid
from shared.labels.folder import SUMMARY, read_label_folder, write_label_folder
from shared.labels.identities import IDENTITIES

ONE, OTHER = Box(0, 0.3, 0.5, 0.2, 0.1, identity=1), Box(0, 0.7, 0.5, 0.2, 0.1, identity=2)


def written(folder: Path, *boxes: Box) -> Path:
    frame = FrameLabels.seen(3, "00000003.jpg", boxes)
    write_label_folder(folder / "labels", LabelSet(("mouse", "fly"), (frame,)))
    rows = {"frames": [{"frame": 3, "file": "00000003.jpg", "time_s": 0.1}]}
    (folder / "frames.json").write_text(json.dumps(rows))
    return folder


def read(folder: Path) -> LabelSet:
    return read_label_folder(folder / "labels", folder / "frames.json")


def test_identities_are_read_with_the_boxes(tmp_path: Path):
    labels = read(written(tmp_path, ONE, OTHER))
    assert labels.frames[0].boxes == (ONE, OTHER)
    summary = json.loads((tmp_path / "labels" / SUMMARY).read_text())
    assert summary["sha256"] == labels.sha256
    bare = tuple(replace(box, identity=None) for box in labels.frames[0].boxes)
    frames = (replace(labels.frames[0], boxes=bare),)
    assert replace(labels, frames=frames).sha256 != labels.sha256


def test_a_box_that_was_corrected_is_still_of_its_animal(tmp_path: Path):
    written(tmp_path, ONE, OTHER)
    moved, added = Box(1, 0.32, 0.5, 0.2, 0.1), Box(0, 0.5, 0.2, 0.1, 0.1)
    written(tmp_path, added, moved)  # by a tool that knows of no identities
    assert [box.identity for box in read(tmp_path).frames[0].boxes] == [None, 1]


def test_the_best_overlap_has_the_animal(tmp_path: Path):
    written(tmp_path, ONE, replace(ONE, cx=0.34, identity=5))
    near, far = Box(0, 0.33, 0.5, 0.2, 0.1), Box(0, 0.29, 0.5, 0.2, 0.1)
    written(tmp_path, near, far)
    assert [box.identity for box in read(tmp_path).frames[0].boxes] == [5, 1]


def test_without_identities_there_is_no_file(tmp_path: Path):
    written(tmp_path, replace(ONE, identity=None))
    assert not (tmp_path / "labels" / IDENTITIES).exists()
    assert read(tmp_path).frames[0].state is FrameState.LABELLED


def test_a_damaged_file_is_told(tmp_path: Path):
    written(tmp_path, ONE)
    (tmp_path / "labels" / IDENTITIES).write_text('{"00000003.jpg": [["x"]]}')
    with pytest.raises(LabelInvalid, match=r"identities\.json is damaged"):
        read(tmp_path)
