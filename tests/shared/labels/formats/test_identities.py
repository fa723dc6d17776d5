"""Files that say which animal a box is of."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.labels.formats.dataset import LabelledPictures, Picture
from shared.labels.formats.table import read, write

ONE, OTHER = Box(0, 0.25, 0.5, 0.25, 0.125, identity=7), Box(0, 0.75, 0.5, 0.25, 0.125)
TRACKS = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><size>40</size>{part}
<original_size><width>64</width><height>48</height></original_size>
<labels><label><name>mouse</name></label></labels></task></meta>
<track id="3" label="mouse" source="manual">
  <box frame="0" outside="0" keyframe="1" xtl="8" ytl="6" xbr="24" ybr="12"/>
  <box frame="1" outside="0" keyframe="0" xtl="9" ytl="6" xbr="25" ybr="12"/>
  <box frame="2" outside="1" keyframe="1" xtl="9" ytl="6" xbr="25" ybr="12"/>
</track>
<track id="4" label="mouse" source="manual">
  <box frame="1" outside="0" keyframe="1" xtl="40" ytl="6" xbr="56" ybr="12"/>
</track></annotations>
"""


@pytest.mark.parametrize("name", ["coco", "cvat"])
def test_identities_come_back_as_they_were_written(name: str, tmp_path: Path):
    picture = Picture("00000001.jpg", FrameState.LABELLED, (ONE, OTHER), width=64, height=48)
    out = io.BytesIO()
    write(name, LabelledPictures(("mouse",), (picture,)), out)
    file = tmp_path / "labels.zip"
    file.write_bytes(out.getvalue())
    (found,) = read(name, file, ("mouse",)).pictures
    assert [box.identity for box in found.boxes] == [7, None]


def coco(folder: Path, *annotations: dict[str, object]) -> Path:
    rows = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [10 * i, 2, 8, 8], **each}
        for i, each in enumerate(annotations)
    ]
    image = {"id": 1, "file_name": "00000001.jpg", "width": 64, "height": 48}
    categories = [{"id": 1, "name": "mouse"}]
    file = folder / "labels.json"
    file.write_text(
        json.dumps({"images": [image], "annotations": rows, "categories": categories}),
        encoding="utf-8",
    )
    return file


def test_what_other_tools_write_into_coco(tmp_path: Path):
    file = coco(
        tmp_path,
        {"track_id": 5},
        {"attributes": {"track_id": 6, "occluded": False}},
        {"track_id": -1},
        {"track_id": True},
        {"track_id": "none"},
    )
    (picture,) = read("coco", file).pictures
    assert [box.identity for box in picture.boxes] == [5, 6, None, None, None]


def test_an_animal_that_is_twice_in_a_picture_is_nobody(tmp_path: Path):
    data = read("coco", coco(tmp_path, {"track_id": 5}, {"track_id": 5}, {"track_id": 6}))
    assert [box.identity for box in data.pictures[0].boxes] == [None, None, None]
    assert "1 images have an animal twice" in data.told[-1]


def test_tracks_of_a_video_become_boxes_of_its_frames(tmp_path: Path):
    file = tmp_path / "annotations.xml"
    file.write_text(TRACKS.format(part=""), encoding="utf-8")
    data = read("cvat", file)
    assert data.classes == ("mouse",)
    told = {p.file: [(round(b.cx * 64), b.identity) for b in p.boxes] for p in data.pictures}
    assert told == {"00000000.jpg": [(16, 3)], "00000001.jpg": [(17, 3), (48, 4)]}
    assert [picture.frame for picture in data.pictures] == [0, 1]


@pytest.mark.parametrize(
    "part", ["<start_frame>100</start_frame>", "<frame_filter>step=5</frame_filter>"]
)
def test_tracks_of_a_part_of_a_video_are_refused(part: str, tmp_path: Path):
    file = tmp_path / "annotations.xml"
    file.write_text(TRACKS.format(part=part), encoding="utf-8")
    with pytest.raises(LabelInvalid, match="part of the video"):
        read("cvat", file)
