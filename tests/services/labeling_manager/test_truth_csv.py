"""Truth files of trackers and of the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.labeling_manager.engines.truth_csv import read_truth
from shared.errors import NotFound
from shared.labels.boxes import Box, checked_box
from shared.labels.errors import LabelInvalid


def truth_of(tmp_path: Path, text: str, **options):
    file = tmp_path / "truth.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_truth(file, width=400, height=200, **options)


def test_pixels_become_shares(tmp_path: Path):
    truth = truth_of(tmp_path, "frame,track,x,y,w,h,score\n0,0,100,50,200,100,0.9\n7,1,0,0,4,2,1\n")
    assert truth.classes == ("animal",)
    assert truth.boxes[0] == (Box(0, 0.5, 0.5, 0.5, 0.5),)
    assert truth.boxes[7] == (Box(0, 0.005, 0.005, 0.01, 0.01),)
    assert 1 not in truth.boxes


def test_boxes_are_cut_at_the_edge_and_pass_the_check(tmp_path: Path):
    truth = truth_of(
        tmp_path, "\ufeffframe, track, x, y, w, h\r\n0,0,-50,150,100,100\r\n0,1,500,0,10,10\r\n\r\n"
    )
    (box,) = truth.boxes[0]
    assert (box.cx, box.cy, box.w, box.h) == pytest.approx((0.0625, 0.875, 0.125, 0.25))
    assert checked_box(box, ("animal",), where="x") == box


def test_classes_by_name_by_number_and_given(tmp_path: Path):
    header = "frame,x,y,w,h,class\n"
    named = truth_of(tmp_path, header + "0,1,1,9,9,mouse\n0,1,1,9,9,fly\n1,1,1,9,9,mouse\n")
    assert named.classes == ("mouse", "fly")
    assert [box.class_id for box in named.boxes[0]] == [0, 1]
    numbered = truth_of(tmp_path, header + "0,1,1,9,9,2\n")
    assert numbered.classes == ("class_0", "class_1", "class_2")
    given = truth_of(tmp_path, header + "0,1,1,9,9,mouse\n0,1,1,9,9,0\n", classes=["fly", "mouse"])
    assert [box.class_id for box in given.boxes[0]] == [1, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header lacks frame, x, y, w, h"),
        ("frame,track,left,top\n0,0,1,1\n", "line 1: the header lacks x, y, w, h"),
        ("frame,x,y,w,h\n0,1,1\n", "line 2 is cut off"),
        ("frame,x,y,w,h\n0,1,1,5,5\n1,1,one,5,5\n", "line 3: y is 'one', not a number"),
        ("frame,x,y,w,h\n0,nan,1,5,5\n", "line 2: x is 'nan'"),
        ("frame,x,y,w,h\n-1,1,1,5,5\n", "line 2: the frame is '-1'"),
        ("frame,x,y,w,h\n1.5,1,1,5,5\n", "line 2: the frame is '1.5'"),
        ("frame,x,y,w,h\n0,1,1,0,5\n", "line 2: the box is 0 x 5 pixels"),
        ("frame,x,y,w,h,class\n0,1,1,5,5,\n", "line 2: class ''"),
        ("frame,x,y,w,h,class\n0,1,1,5,5,cat\n0,1,1,5,5,3\n", "line 3: class '3' does not fit"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path: Path, text: str, said: str):
    with pytest.raises(LabelInvalid) as raised:
        truth_of(tmp_path, text)
    assert str(raised.value).startswith(f"truth.csv {said}")


def test_an_unknown_class_and_other_files_are_refused(tmp_path: Path):
    with pytest.raises(LabelInvalid, match=r"class 'cat' is not known\. The classes are: fly"):
        truth_of(tmp_path, "frame,x,y,w,h,class\n0,1,1,5,5,cat\n", classes=["fly"])
    (tmp_path / "film.csv").write_bytes(b"\x00\x00\x00\x1cftyp\xff\xfe")
    with pytest.raises(LabelInvalid, match="not a csv text in UTF-8"):
        read_truth(tmp_path / "film.csv", width=4, height=4)
    with pytest.raises(LabelInvalid, match="is a folder"):
        read_truth(tmp_path, width=4, height=4)
    with pytest.raises(NotFound, match="no truth file"):
        read_truth(tmp_path / "none.csv", width=4, height=4)


FLIES = Path(__file__).parents[3] / "../shared/data/vision/flies/centered_pair.boxes.csv"


@pytest.mark.skipif(
    not FLIES.exists(), reason="the real truth file does not lie beside the checkout"
)
def test_the_real_file_is_read_whole():
    truth = read_truth(FLIES, width=384, height=384)
    boxes = [box for found in truth.boxes.values() for box in found]
    assert len(boxes) == 2274
    assert all(checked_box(box, truth.classes, where="x") == box for box in boxes)
