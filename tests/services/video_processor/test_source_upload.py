"""Uploads: what lies under the root, and nothing else."""

from __future__ import annotations

import hashlib
import os

import pytest

from services.video_processor.engines.port import SourceSettings
from services.video_processor.engines.sources import source_for
from shared.errors import ActverseError, BadInput, NotFound, TooLarge
from shared.progress.report import silent

DATA = bytes(range(256)) * 9000


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "uploads"
    (root / "abc").mkdir(parents=True)
    (root / "clip.mp4").write_bytes(DATA)
    (root / "abc" / "film.avi").write_bytes(DATA[::-1])
    (root / "abc" / "film.avi.json").write_text("{}")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    return root


def fetch(root, url, *, max_bytes=10**9, report=silent):
    source = source_for(url, SourceSettings(uploads_root=root))
    return source.fetch(url, root.parent / "out" / "source.mp4", max_bytes=max_bytes, report=report)


@pytest.mark.parametrize("url", ["upload://clip.mp4", "clip.mp4", "./clip.mp4"])
def test_a_file_is_copied_with_its_digest(root, url):
    info = fetch(root, url)
    assert info.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (root.parent / "out" / "source.mp4").read_bytes() == DATA
    assert (root / "clip.mp4").exists()


def test_an_id_may_be_a_folder_with_one_file(root):
    assert fetch(root, "upload://abc").sha256 == hashlib.sha256(DATA[::-1]).hexdigest()
    (root / "abc" / "other.avi").write_bytes(b"x")
    with pytest.raises(NotFound, match="2 files"):
        fetch(root, "upload://abc")


@pytest.mark.parametrize(
    "name", ["../secret.mp4", "abc/../../secret.mp4", "/etc/passwd", "link.mp4", "linked/secret.mp4", "boxed", "a\0b", ""]
)  # fmt: skip
def test_nothing_outside_the_root_is_read(root, name):
    (root / "link.mp4").symlink_to(root.parent / "secret.mp4")
    (root / "linked").symlink_to(root.parent)
    (root / "boxed").mkdir()
    (root / "boxed" / "inner.mp4").symlink_to(root.parent / "secret.mp4")
    for url in (f"upload://{name}", name):
        with pytest.raises(BadInput if name else ActverseError):
            fetch(root, url)
    assert not (root.parent / "out" / "source.mp4").exists()


def test_an_absent_upload_says_so(root):
    with pytest.raises(NotFound, match=r"no upload 'gone\.mp4'"):
        fetch(root, "upload://gone.mp4")


def test_a_pipe_is_no_upload(root):
    os.mkfifo(root / "pipe")
    with pytest.raises(NotFound):
        fetch(root, "upload://pipe")


def test_the_limit_holds_for_uploads(root):
    with pytest.raises(TooLarge):
        fetch(root, "clip.mp4", max_bytes=1000)


def test_a_second_call_gives_the_same_file(root):
    assert fetch(root, "clip.mp4") == fetch(root, "clip.mp4")
