"""Whatever stands in a file: it is read, or refused with our own error; nothing else happens."""

from __future__ import annotations

import contextlib
import json
import zipfile
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.labels.errors import LabelInvalid
from shared.labels.formats.table import FORMATS, read

QUICK = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**30)
    | st.floats()
    | st.sampled_from(
        [
            "",
            "mouse",
            "1.jpg",
            "a/1.jpg",
            "../1.jpg",
            "/",
            ".",
            "rectanglelabels",
            "empty",
            "9" * 30,
        ]
    )
)
KEYS = st.sampled_from(
    [
        "id",
        "image_id",
        "category_id",
        "bbox",
        "images",
        "annotations",
        "categories",
        "name",
        "file_name",
        "width",
        "height",
        "state",
        "split",
        "frame",
        "iscrowd",
        "data",
        "image",
        "video",
        "file",
        "result",
        "type",
        "value",
        "rectanglelabels",
        "x",
        "y",
        "rotation",
        "original_width",
        "original_height",
        "was_cancelled",
        "updated_at",
    ]
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
COCO = st.fixed_dictionaries(
    {
        "images": st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=3),
        "annotations": st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=3),
        "categories": st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3),
    }
)
TASKS = st.lists(
    st.fixed_dictionaries(
        {
            "data": st.dictionaries(KEYS, VALUES, max_size=5) | JSON,
            "annotations": st.lists(
                st.fixed_dictionaries({"result": st.lists(st.dictionaries(KEYS, JSON), max_size=2)})
            )
            | JSON,
        }
    ),
    max_size=3,
)
TAGS = st.sampled_from(
    [
        "annotation",
        "annotations",
        "image",
        "box",
        "object",
        "name",
        "bndbox",
        "xmin",
        "ymin",
        "xmax",
        "ymax",
        "size",
        "width",
        "height",
        "filename",
        "folder",
        "meta",
        "task",
        "labels",
        "label",
        "track",
        "polygon",
    ]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            "id",
            "name",
            "width",
            "height",
            "label",
            "xtl",
            "ytl",
            "xbr",
            "ybr",
            "rotation",
            "state",
            "frame",
            "subset",
        ]
    ),
    st.sampled_from(["", "1", "-1", "nan", "1e999", "mouse", "1.jpg", "..", "/", "\uff19"]),
    max_size=6,
)


def element(tag: str, attributes: dict[str, str], inner: list[str]) -> str:
    said = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{said}>{''.join(inner)}</{tag}>"


XML = st.recursive(
    st.sampled_from(["", "1", "nan", "mouse", "1.jpg", "/", "..", "9" * 30]),
    lambda inner: st.builds(element, TAGS, ATTRIBUTES, st.lists(inner, max_size=5)),
    max_leaves=20,
)


def attempt(name: str, path: Path) -> None:
    for classes in (None, ("mouse", "fly")):
        with contextlib.suppress(LabelInvalid):
            data = read(name, path, classes)
            assert all(box.w > 0 for picture in data.pictures for box in picture.boxes)
            data.label_sets()


@pytest.mark.parametrize("name", ["coco", "label_studio"])
@given(content=JSON | COCO | TASKS)
@QUICK
def test_any_json(name: str, content: object, tmp_path: Path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    attempt(name, path)


@pytest.mark.parametrize(("name", "root"), [("voc", "annotation"), ("cvat", "annotations")])
@given(content=st.lists(XML, max_size=5))
@QUICK
def test_any_xml(name: str, root: str, content: list[str], tmp_path: Path):
    path = tmp_path / "labels.xml"
    path.write_text(f"<{root}>{''.join(content)}</{root}>")
    attempt(name, path)


NAMES = st.sampled_from(
    [
        "data.yaml",
        "classes.txt",
        "labels/1.txt",
        "images/1.jpg",
        "unseen.txt",
        "labelmap.txt",
        "a.xml",
        "a.json",
        "label_config.xml",
        "Annotations/1.xml",
        "ImageSets/Main/train.txt",
    ]
)
TEXTS = st.sampled_from(
    [
        "",
        "names: [a]",
        "names: {0: a, 2: b}",
        "names: 3",
        "- 1",
        "&a [*a]",
        "{",
        "0 .5 .5 .1 .1",
        "<annotation/>",
        "<View><Label/></View>",
        "[]",
        "{}",
        "[1]",
        "..\n/",
        "mouse",
        "::::",
        "\x00",
    ]
)


@pytest.mark.parametrize("name", FORMATS)
@given(members=st.dictionaries(NAMES, TEXTS, max_size=5))
@QUICK
def test_any_archive(name: str, members: dict[str, str], tmp_path: Path):
    path = tmp_path / "labels.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    attempt(name, path)
