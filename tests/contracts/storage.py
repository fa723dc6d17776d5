"""What every storage promises; inherited by one test class per adapter, which gives `storage`."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from shared.errors import BadInput, Conflict, NotFound, OutOfSpace
from shared.storage.port import INCOMING, Announced, Extent, Storage
from shared.storage.trees import fetch_folder, keep_folder

LEAVES_THE_ROOT = (
    "../x.txt",
    "a/../../x.txt",
    "a/../b.txt",
    "/etc/passwd",
    "a//b.txt",
    "a/./b.txt",
    "a/",
    "",
    "a/b\x00.txt",
    "a\\..\\b.txt",
    "actverse.db",
    ".kept/a.json",
    "a/" + "x" * 300,
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(storage: Storage, key: str, data: bytes) -> None:
    storage.local(key).write_bytes(data)
    storage.keep(key)


class StorageContract:
    """Verbs, refusals and repetition."""

    def test_a_kept_file_is_described(self, storage: Storage):
        storage.local("videos/t1/source.mp4").write_bytes(b"film")
        stored = storage.keep("videos/t1/source.mp4")
        assert (stored.key, stored.bytes) == ("videos/t1/source.mp4", 4)
        assert (stored.sha256, stored.content_type) == (sha(b"film"), "video/mp4")
        assert storage.key_of(stored.uri) == stored.key
        assert storage.key_of(stored.key) == stored.key

    def test_a_folder_says_how_much_lies_in_it(self, storage: Storage):
        for key, data in (("frames/t1/a.jpg", b"123"), ("frames/t1/b/c.jpg", b"4567")):
            put(storage, key, data)
        put(storage, "frames/t12/a.jpg", b"of another")
        assert storage.measure("frames/t1") == Extent(2, 7)
        assert storage.measure("frames/t1/a.jpg") == Extent(1, 3)
        assert storage.measure("frames/none") == Extent(0, 0)

    def test_a_file_from_elsewhere_is_kept_under_a_key(self, storage: Storage, tmp_path: Path):
        outside = tmp_path / "upload.bin"
        outside.write_bytes(b"abc")
        storage.keep(outside, "videos/t1/ünï code 1.csv")
        outside.unlink()
        assert storage.fetch("videos/t1/ünï code 1.csv").read_bytes() == b"abc"

    def test_keeping_twice_is_harmless_and_the_last_content_counts(
        self, storage: Storage, tmp_path: Path
    ):
        put(storage, "labels/1/a.txt", b"old")
        put(storage, "labels/1/a.txt", b"old")
        new = tmp_path / "new"
        new.write_bytes(b"newer")
        storage.keep(new, "labels/1/a.txt")
        assert storage.fetch("labels/1/a.txt").read_bytes() == b"newer"
        assert storage.list("labels/1") == ("labels/1/a.txt",)

    def test_an_empty_file_is_a_file(self, storage: Storage):
        put(storage, "labels/1/empty.txt", b"")
        assert storage.exists("labels/1/empty.txt")
        assert storage.fetch("labels/1/empty.txt", sha(b"")).read_bytes() == b""

    def test_a_stream_gives_the_content(self, storage: Storage):
        data = os.urandom(3_000_001)
        put(storage, "videos/1/a.mp4", data)
        with storage.open("videos/1/a.mp4") as stream:
            assert stream.read(10) == data[:10]
            assert stream.read() == data[10:]

    def test_the_named_content_is_checked(self, storage: Storage):
        put(storage, "models/fly/1/model.onnx", b"weights")
        assert storage.fetch("models/fly/1/model.onnx", sha(b"weights")).read_bytes() == b"weights"
        with pytest.raises(Conflict, match="was changed"):
            storage.fetch("models/fly/1/model.onnx", sha(b"other weights"))

    def test_a_list_stays_in_its_folder(self, storage: Storage):
        for key in ("labels/1/b.txt", "labels/1/a/c.txt", "labels/12/a.txt", "frames/1/0.jpg"):
            put(storage, key, key.encode())
        assert storage.list("labels/1") == ("labels/1/a/c.txt", "labels/1/b.txt")
        assert storage.list("labels/1/b.txt") == ("labels/1/b.txt",)
        assert storage.list("labels/2") == ()
        assert len(storage.list()) == 4

    def test_folders_say_when_something_was_last_written_in_them(self, storage: Storage):
        began = datetime.now(UTC) - timedelta(seconds=2)  # whole seconds, on some servers
        for key in ("inputs/1/a.wav", "inputs/1/b/c.wav", "inputs/12/a.wav", "labels/1/a.txt"):
            put(storage, key, b"x")
        found = storage.last_written("inputs")
        assert sorted(found) == ["inputs/1", "inputs/12"]
        until = datetime.now(UTC) + timedelta(seconds=2)
        assert all(began <= at <= until for at in found.values())
        assert storage.last_written("none") == {}

    def test_deleting_takes_one_folder_only_and_twice_is_harmless(self, storage: Storage):
        for key in ("labels/1/b.txt", "labels/1/a/c.txt", "labels/12/a.txt"):
            put(storage, key, b"x")
        assert storage.delete("labels/1") == 2
        assert storage.delete("labels/1") == 0
        assert storage.list("labels") == ("labels/12/a.txt",)
        assert not storage.local("labels/1/b.txt").exists()
        assert storage.delete("labels/12/a.txt") == 1
        assert storage.list() == ()

    def test_what_nobody_kept_is_not_found(self, storage: Storage, tmp_path: Path):
        assert not storage.exists("videos/none/a.mp4")
        for verb in (storage.fetch, storage.open, storage.link, storage.keep):
            with pytest.raises(NotFound):
                verb("videos/none/a.mp4")
        with pytest.raises(NotFound, match="does not exist"):
            storage.keep(tmp_path / "gone", "videos/1/a.mp4")

    def test_a_folder_is_not_a_file(self, storage: Storage, tmp_path: Path):
        with pytest.raises(BadInput, match="is a folder"):
            storage.keep(tmp_path, "videos/1/a.mp4")
        with pytest.raises(BadInput, match="needs the key"):
            storage.keep(tmp_path / "a.mp4")

    @pytest.mark.parametrize("key", LEAVES_THE_ROOT)
    def test_a_key_that_leaves_the_root_is_refused(
        self, storage: Storage, tmp_path: Path, key: str
    ):
        source = tmp_path / "source"
        source.write_bytes(b"x")
        for verb in (storage.fetch, storage.open, storage.exists, storage.link, storage.key_of):
            with pytest.raises(BadInput):
                verb(key)
        with pytest.raises(BadInput):
            storage.keep(source, key)

    def test_a_link_out_of_the_root_is_refused(self, storage: Storage, tmp_path: Path):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret.txt").write_text("secret")
        storage.local("labels/here/a.txt")
        (storage.local("labels/here/out")).symlink_to(outside)
        (storage.local("labels/here/file.txt")).symlink_to(outside / "secret.txt")
        for key in ("labels/here/out/secret.txt", "labels/here/file.txt"):
            with pytest.raises(BadInput, match="leaves its root"):
                storage.local(key)
            with pytest.raises(BadInput, match="leaves its root"):
                storage.keep(key)

    def test_folders_are_kept_and_fetched_whole(self, storage: Storage):
        for n in range(20):
            storage.local(f"frames/1/{n:08d}.jpg").write_bytes(bytes([n]))
        stored = keep_folder(storage, "frames/1")
        assert [item.key for item in stored] == list(storage.list("frames/1"))
        assert stored == keep_folder(storage, "frames/1")
        folder = fetch_folder(storage, "frames/1")
        assert [path.read_bytes()[0] for path in sorted(folder.iterdir())] == list(range(20))

    def test_readers_never_see_half_a_file(self, storage: Storage, tmp_path: Path):
        """Many writers and readers of one key: each read is one of the whole contents."""
        versions = [bytes([n]) * 200_000 for n in range(4)]
        for n, data in enumerate(versions):
            (tmp_path / str(n)).write_bytes(data)
        storage.keep(tmp_path / "0", "models/m/1/model.pt")

        def write(n: int) -> None:
            storage.keep(tmp_path / str(n % 4), "models/m/1/model.pt")

        def read(_: int) -> bool:
            with storage.open("models/m/1/model.pt") as stream:
                return stream.read() in versions

        with ThreadPoolExecutor(4) as pool:
            writes = pool.map(write, range(12))
            assert all(pool.map(read, range(12)))
            list(writes)
        assert storage.list("models") == ("models/m/1/model.pt",)

    def test_a_link_opens_without_keys_or_is_none(self, storage: Storage):
        put(storage, "outputs/1/results.csv", b"frame,time_s\n")
        link = storage.link("outputs/1/results.csv", 60)
        if link is not None:
            with urllib.request.urlopen(link) as answer:
                assert answer.read() == b"frame,time_s\n"
                assert answer.headers["Content-Type"] == "text/csv"

    def test_a_direct_upload_gets_its_key_when_it_was_checked_or_there_is_none(
        self, storage: Storage
    ):
        announced = Announced("uploads/7/a b.mp4", 4, sha(b"film"), "video/mp4")
        link = storage.upload_link(announced, 60)
        with pytest.raises(NotFound, match="Nothing has arrived"):
            storage.receive(announced)
        if link is None:
            return
        request = urllib.request.Request(
            link.url, data=b"film", method=link.method, headers=link.headers
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        assert not storage.exists(announced.key)
        stored = storage.receive(announced)
        assert stored == storage.receive(announced)
        assert (stored.key, stored.bytes, stored.sha256) == (announced.key, 4, sha(b"film"))
        assert storage.fetch(announced.key, sha(b"film")).read_bytes() == b"film"
        assert storage.list(INCOMING) == ()

    @pytest.mark.parametrize("key", LEAVES_THE_ROOT)
    def test_nobody_sends_out_of_the_root(self, storage: Storage, key: str):
        announced = Announced(key, 4, sha(b"film"), "video/mp4")
        for verb in (storage.upload_link, storage.receive):
            with pytest.raises((BadInput, NotFound)):
                verb(announced)

    def test_half_written_files_of_killed_writers_are_tidied_away(self, storage: Storage):
        put(storage, "videos/1/a.mp4", b"film")
        half = storage.local("videos/1/.0123456789abcdef.part")
        half.write_bytes(b"fi")
        assert storage.tidy() == 0
        os.utime(half, (1, 1))
        assert storage.tidy() == 1
        assert not half.exists()
        assert storage.fetch("videos/1/a.mp4").read_bytes() == b"film"

    def test_work_keeps_what_it_was_given(self, storage: Storage):
        put(storage, "videos/1/a.mp4", b"film")
        with storage.working(), storage.working():
            assert storage.fetch("videos/1/a.mp4").read_bytes() == b"film"

    def test_a_full_disk_is_named_and_leaves_nothing_half(
        self, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The one fault that a test without root cannot make for real: the write call fails."""
        source = tmp_path / "source"
        source.write_bytes(b"x" * 1000)
        storage.keep(source, "videos/1/a.mp4")
        shutil.rmtree(storage.local("videos/1"))

        def full(self: Path, target: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            remote = storage.exists("videos/1/a.mp4")
            writes = storage.fetch if remote else partial(storage.keep, source)
            with pytest.raises(OutOfSpace, match="disk is full"):
                writes("videos/1/a.mp4")
        folder = storage.local("videos/1/a.mp4").parent
        assert list(folder.iterdir()) == []
        storage.keep(source, "videos/1/a.mp4")
        assert storage.fetch("videos/1/a.mp4").read_bytes() == b"x" * 1000
