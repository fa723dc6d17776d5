"""Paths from users stay under their root."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadInput
from shared.storage.paths import under


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/inside").mkdir(parents=True)
    (tmp_path / "root/inside/a.txt").write_text("a")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "root"


def test_paths_inside_are_resolved(root: Path):
    assert under(root, "inside/a.txt").read_text() == "a"
    assert under(root, root / "inside/a.txt").read_text() == "a"
    assert under(root, "not/yet/there.txt") == root / "not/yet/there.txt"
    (root / "link").symlink_to(root / "inside")
    assert under(root, "link/a.txt") == root / "inside/a.txt"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "inside/../../secret.txt",
        "/etc/passwd",
        "a\x00b",
        "",
        "\ud800",
        "x" * 300,
        "a\nb",
    ],
)
def test_paths_that_leave_are_refused(root: Path, path: str):
    with pytest.raises(BadInput, match=r"path"):
        under(root, path)


def test_links_that_leave_are_refused(root: Path):
    (root / "out").symlink_to(root.parent)
    (root / "chain").symlink_to("out")
    (root / "loop").symlink_to("loop")
    for path in ("out/secret.txt", "chain/secret.txt", "out"):
        with pytest.raises(BadInput, match="leaves its root"):
            under(root, path)
    with pytest.raises(BadInput, match="cannot be resolved"):
        under(root, "loop/a.txt")


def test_a_sibling_with_the_same_beginning_is_outside(root: Path):
    (root.parent / "root2").mkdir()
    with pytest.raises(BadInput):
        under(root, root.parent / "root2")


@given(st.text(alphabet="./ab\\~", max_size=12))
def test_no_spelling_leaves(path: str):
    root = Path("/srv/actverse/data")
    with suppress(BadInput):
        assert under(root, path).is_relative_to(root)
