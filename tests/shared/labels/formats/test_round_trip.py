"""What is written in a format is read back as it was."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.labels.boxes import Box, FrameState
from shared.labels.formats.dataset import LabelledPictures, Picture
from shared.labels.formats.table import FORMATS, read, stream, write

NAMES = st.text(
    st.characters(codec="utf-8", categories=("L", "N"), include_characters=" <&\"'-_"), min_size=1
).map(str.strip)
MICRO = 1_000_000


@st.composite
def boxes(draw: st.DrawFn, classes: int) -> Box:
    """On the grid of six decimals, inside the image."""
    w, h = (draw(st.integers(51, MICRO // 2)) * 2 for _ in range(2))
    cx = draw(st.integers(w // 2, MICRO - w // 2))
    cy = draw(st.integers(h // 2, MICRO - h // 2))
    numbers = (round(value / MICRO, 6) for value in (cx, cy, w, h))
    return Box(draw(st.integers(0, classes - 1)), *numbers)


@st.composite
def data_sets(draw: st.DrawFn) -> LabelledPictures:
    names = draw(st.lists(NAMES.filter(bool), min_size=1, max_size=4, unique=True))
    pictures = []
    places = draw(
        st.lists(
            st.tuples(st.sampled_from(["", "cage 1", "b/left"]), st.integers(0, 99_999_999)),
            max_size=6,
            unique=True,
        )
    )
    for folder, frame in sorted(places):
        state = draw(st.sampled_from(FrameState))
        least = 1 if state is FrameState.LABELLED else 0
        found = draw(st.lists(boxes(len(names)), min_size=least, max_size=least * 5, unique=True))
        unseen = state is FrameState.UNSEEN
        pictures.append(
            Picture(
                f"{frame:08d}.jpg",
                state,
                tuple(found),
                folder=folder,
                split="" if unseen else draw(st.sampled_from(["train", "val", "dropped"])),
                width=draw(st.integers(8, 8192)),
                height=draw(st.integers(8, 8192)),
                content=lambda: b"\xff\xd8\xff\xd9",
            )
        )
    return LabelledPictures(tuple(names), tuple(pictures))


def comparable(data: LabelledPictures, *, sizes: bool) -> set[Picture]:
    blank = {} if sizes else {"width": 0, "height": 0}
    return {replace(picture, content=None, **blank) for picture in data.pictures}


@pytest.mark.parametrize("name", FORMATS)
@given(data=data_sets())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nothing_is_lost(name: str, data: LabelledPictures, tmp_path: Path):
    path = tmp_path / "data.zip"
    path.write_bytes(b"".join(stream(name, data)))
    if not data.pictures and name == "voc":
        return  # an archive without one file says nothing
    found = read(name, path)
    assert found.classes == data.classes
    sized = name in {"coco", "label_studio", "cvat"}
    assert comparable(found, sizes=sized) == comparable(data, sizes=sized)
    ours, theirs = data.label_sets(), found.label_sets()
    assert {k: v.sha256 for k, v in theirs.items()} == {k: v.sha256 for k, v in ours.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_the_task_s_classes_decide_the_numbers(name: str, tmp_path: Path):
    box = Box(0, 0.5, 0.5, 0.25, 0.125)
    picture = Picture("00000012.jpg", FrameState.LABELLED, (box,), width=640, height=480)
    path = tmp_path / "data.zip"
    with path.open("wb") as out:
        write(name, LabelledPictures(("mouse", "fly"), (picture,)), out)
    found = read(name, path, ("fly", "rat", "mouse"))
    assert found.classes == ("fly", "rat", "mouse")
    assert found.pictures[0].boxes == (replace(box, class_id=2),)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_data_give_the_same_archive(name: str):
    picture = Picture("1.jpg", FrameState.EMPTY, width=64, height=48, content=lambda: b"jpeg")
    data = LabelledPictures(("a",), (picture,))
    first, second = io.BytesIO(), io.BytesIO()
    write(name, data, first)
    write(name, data, second)
    assert first.getvalue() == second.getvalue()
