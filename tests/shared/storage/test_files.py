"""The folder adapter, and what is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import BadInput
from shared.storage.files import FileStorage
from tests.contracts.storage import StorageContract


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage.from_url(f"file://{tmp_path / 'store age'}".replace(" ", "%20"))


class TestFileStorage(StorageContract):
    def test_a_file_in_place_is_not_copied(self, storage: FileStorage):
        path = storage.local("videos/1/a.mp4")
        path.write_bytes(b"film")
        before = path.stat().st_ino
        storage.keep("videos/1/a.mp4")
        assert storage.fetch("videos/1/a.mp4") == path
        assert path.stat().st_ino == before

    def test_the_files_in_the_root_are_out_of_reach(self, storage: FileStorage):
        storage.root.mkdir(parents=True)
        (storage.root / "actverse.db").write_bytes(b"the database")
        assert storage.list() == ()
        assert storage.delete("actverse.db") == 0
        assert (storage.root / "actverse.db").exists()

    def test_half_written_files_are_not_listed(self, storage: FileStorage):
        storage.local("videos/1/.0123456789abcdef.part").write_bytes(b"half")
        assert storage.list("videos") == ()
        assert storage.list("videos/1/.0123456789abcdef.part") == ()

    def test_there_is_no_public_address(self, storage: FileStorage):
        storage.local("videos/1/a.mp4").write_bytes(b"film")
        assert storage.link("videos/1/a.mp4") is None

    def test_a_relative_address_starts_where_the_process_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(tmp_path)
        assert (
            FileStorage.from_url("file:data_storage").local("a/b") == tmp_path / "data_storage/a/b"
        )

    @pytest.mark.parametrize("url", ["file:", "file://data_storage", "s3://bucket", "data_storage"])
    def test_other_addresses_are_refused_with_examples(self, url: str):
        with pytest.raises(BadInput, match=r"file:data_storage"):
            FileStorage.from_url(url)

    def test_a_uri_of_another_place_is_refused(self, storage: FileStorage):
        with pytest.raises(BadInput, match="does not lie in the storage"):
            storage.key_of("file:///etc/passwd")
