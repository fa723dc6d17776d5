from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.labels.boxes import Box, checked_box
from shared.labels.errors import LabelInvalid
from shared.labels.yolo import parse_yolo, write_yolo

CLASSES = ("mouse", "fly")
GOOD = "0 0.5 0.5 0.2 0.2"


def test_lines_become_boxes_in_their_order():
    text = "\ufeff1 0.25 0.5 0.5 1.0\r\n\r\n0 .5 5e-1 0.25 0.125\r\n"
    assert parse_yolo(text, CLASSES, where="a.txt") == [
        Box(1, 0.25, 0.5, 0.5, 1.0),
        Box(0, 0.5, 0.5, 0.25, 0.125),
    ]


def test_no_line_is_a_frame_confirmed_empty():
    assert parse_yolo(" \n\n", CLASSES, where="a.txt") == []


def test_the_same_box_twice_counts_once():
    assert len(parse_yolo(f"{GOOD}\n{GOOD}\n", CLASSES, where="a.txt")) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("2 .5 .5 .1 .1", "class 2 does not exist; the classes are 0 = mouse, 1 = fly"),
        ("-1 .5 .5 .1 .1", "not a class number"),
        ("1.0 .5 .5 .1 .1", "not a class number"),
        ("mouse .5 .5 .1 .1", "not a class number"),
        ("0 nan .5 .1 .1", "cx is nan, not a number"),
        ("0 .5 inf .1 .1", "cy is inf, not a number"),
        ("0 .5 .5 1e999 .1", "width is inf"),
        ("0 1_0 .5 .1 .1", "'1_0' is not a number"),
        ("0 0,5 .5 .1 .1", "'0,5' is not a number"),
        ("0 320 240 64 64", "cx is 320, outside 0..1"),
        ("0 .5 -0.1 .1 .1", "cy is -0.1, outside 0..1"),
        ("0 .5 .5 1.2 .1", "width is 1.2, outside 0..1"),
        ("0 .5 .5 0 .1", "width is 0; a box needs"),
        ("0 .5 .5 .1 -0.0005", "height is -0.0005; a box needs"),
        ("0 .5 .5 .1 0.00001", "height is 1e-05; a box needs"),
        ("0 .1 .5 .4 .1", "left edge of the box is at -0.1000"),
        ("0 .5 .95 .1 .2", "lower edge of the box is at 1.0500"),
        ("0 .5 .5 .1", "4 columns, expected 5"),
        ("0 .5 .5 .1 .1 .9", "confidence of a prediction"),
        ("0 .1 .1 .2 .1 .2 .2", "polygon or keypoints"),
    ],
)
def test_a_wrong_line_is_refused_with_file_line_and_advice(line, says):
    with pytest.raises(LabelInvalid) as refused:
        parse_yolo(f"{GOOD}\n{line}\n", CLASSES, where="labels/7/00000012.txt")
    assert str(refused.value).startswith("labels/7/00000012.txt line 2: ")
    assert says in str(refused.value)
    assert refused.value.status == 422


def test_edges_that_rounding_put_outside_are_clipped():
    (box,) = parse_yolo("0 0.0995 0.5 0.2 1.0005", CLASSES, where="a.txt")
    assert math.isclose(box.cx - box.w / 2, 0, abs_tol=1e-12)
    assert math.isclose(box.cx + box.w / 2, 0.1995)
    assert (box.cy, box.h) == (0.5, 1.0)


def edges():
    return st.floats(1e-3, 1).flatmap(
        lambda size: st.tuples(st.floats(size / 2, 1 - size / 2), st.just(size))
    )


@given(st.lists(st.tuples(st.integers(0, 1), edges(), edges()), max_size=8))
def test_what_is_written_is_read_again(drawn):
    boxes = [Box(c, x, y, w, h) for c, (x, w), (y, h) in drawn]
    read = parse_yolo(write_yolo(boxes), CLASSES, where="a.txt")
    again = parse_yolo(write_yolo(read), CLASSES, where="a.txt")
    assert again == read
    for box in read:
        assert any(
            box.class_id == b.class_id and abs(box.cx - b.cx) + abs(box.w - b.w) < 1e-5
            for b in boxes
        )


@given(st.text(alphabet="0123456789.-+eEnaif_ \t\n\x00é", max_size=60))
def test_any_text_is_boxes_inside_the_image_or_a_sentence(text):
    said, boxes = None, []
    try:
        boxes = parse_yolo(text, CLASSES, where="a.txt")
    except LabelInvalid as refused:
        said = str(refused)
    assert said is None or said.startswith("a.txt line ")
    for box in boxes:
        assert checked_box(box, CLASSES, where="again") == box
