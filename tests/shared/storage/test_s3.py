"""What is the S3 adapter's own, against a quick stand-in; `test_s3_server.py` holds its promises."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from shared.errors import BadInput, Invalid, NotFound, Terminal, Unavailable
from shared.settings import Settings
from shared.storage.port import Announced
from shared.storage.s3 import S3Storage
from tests.contracts.storage import put

KEYS = {"access_key": "AKIATEST", "secret_key": "a-secret-key"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[str]:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="a-secret-key",
    )
    client.create_bucket(Bucket="actverse")
    yield "actverse"
    for item in client.list_objects_v2(Bucket="actverse").get("Contents", []):
        client.delete_object(Bucket="actverse", Key=item["Key"])
    client.delete_bucket(Bucket="actverse")


@pytest.fixture
def storage(endpoint: str, bucket: str, tmp_path: Path) -> S3Storage:
    return S3Storage.from_url(
        f"s3://{bucket}/tenants/one?endpoint={endpoint}", work=tmp_path / "work", **KEYS
    )


@pytest.fixture
def elsewhere(endpoint: str, bucket: str, tmp_path: Path) -> S3Storage:
    """The same bucket, seen from another machine."""
    return S3Storage.from_url(
        f"s3://{bucket}/tenants/one?endpoint={endpoint}", work=tmp_path / "elsewhere", **KEYS
    )


class TestS3Storage:
    def test_another_machine_gets_the_file(self, storage: S3Storage, elsewhere: S3Storage):
        put(storage, "frames/1/a.jpg", b"pixels")
        assert elsewhere.fetch("frames/1/a.jpg").read_bytes() == b"pixels"
        assert elsewhere.fetch("frames/1/a.jpg") != storage.fetch("frames/1/a.jpg")

    def test_the_cache_follows_the_bucket(self, storage: S3Storage, elsewhere: S3Storage):
        put(storage, "models/m/1/model.pt", b"first")
        path = elsewhere.fetch("models/m/1/model.pt")
        before = path.stat().st_mtime_ns
        assert elsewhere.fetch("models/m/1/model.pt").stat().st_mtime_ns == before
        put(storage, "models/m/1/model.pt", b"second")
        assert elsewhere.fetch("models/m/1/model.pt").read_bytes() == b"second"

    def test_a_damaged_local_copy_is_replaced(self, storage: S3Storage, elsewhere: S3Storage):
        put(storage, "models/m/1/model.pt", b"weights")
        elsewhere.fetch("models/m/1/model.pt").write_bytes(b"damaged")
        assert elsewhere.fetch("models/m/1/model.pt").read_bytes() == b"weights"

    def test_a_kept_file_is_not_downloaded_again(self, storage: S3Storage):
        put(storage, "videos/1/a.mp4", b"film")
        inode = storage.local("videos/1/a.mp4").stat().st_ino
        assert storage.fetch("videos/1/a.mp4").stat().st_ino == inode

    def test_the_same_content_is_not_sent_again(self, storage: S3Storage):
        sent = []
        storage._client.meta.events.register(
            "before-call.s3.PutObject", lambda **call: sent.append(call["params"]["url"])
        )
        put(storage, "videos/1/a.mp4", b"film")
        put(storage, "videos/1/a.mp4", b"film")
        assert len(sent) == 1
        put(storage, "videos/1/a.mp4", b"cut")
        assert len(sent) == 2

    def test_an_object_damaged_in_the_bucket_never_gets_its_name(
        self, storage: S3Storage, elsewhere: S3Storage
    ):
        put(storage, "videos/1/a.mp4", b"film")
        storage._client.put_object(
            Bucket="actverse",
            Key="tenants/one/videos/1/a.mp4",
            Body=b"fiml",
            Metadata={"sha256": "0" * 64},
        )
        with pytest.raises(Unavailable, match="damaged"):
            elsewhere.fetch("videos/1/a.mp4")
        assert not elsewhere.local("videos/1/a.mp4").exists()

    def test_objects_of_others_are_readable_too(self, storage: S3Storage):
        storage._client.put_object(
            Bucket="actverse", Key="tenants/one/videos/1/b.mp4", Body=b"film"
        )
        assert storage.fetch("videos/1/b.mp4").read_bytes() == b"film"
        assert storage.list("videos") == ("videos/1/b.mp4",)

    def test_a_folder_holds_its_files_and_nothing_else(self, storage: S3Storage):
        put(storage, "labels/1/a.txt", b"")
        storage.fetch("labels/1/a.txt")
        assert [path.name for path in storage.local("labels/1").iterdir()] == ["a.txt"]

    def test_a_tenant_sees_only_its_prefix(self, storage: S3Storage, endpoint: str, tmp_path: Path):
        put(storage, "labels/1/a.txt", b"x")
        other = S3Storage.from_url(
            f"s3://actverse/tenants/two?endpoint={endpoint}", work=tmp_path / "two", **KEYS
        )
        assert other.list() == ()
        with pytest.raises(BadInput, match="does not lie in the storage"):
            other.key_of(storage.keep("labels/1/a.txt").uri)

    def test_a_link_has_a_life_and_the_address_of_browsers(
        self, bucket: str, endpoint: str, tmp_path: Path
    ):
        storage = S3Storage.from_url(
            f"s3://{bucket}?endpoint={endpoint}&link_endpoint=https://files.example",
            work=tmp_path / "work",
            **KEYS,
        )
        put(storage, "outputs/1/results.csv", b"x")
        link = storage.link("outputs/1/results.csv", 60)
        assert link.startswith("https://files.example/actverse/outputs/1/results.csv?")
        assert "X-Amz-Expires=60" in link
        assert "a-secret-key" not in link
        with pytest.raises(Invalid, match="lives between"):
            storage.link("outputs/1/results.csv", 10**9)

    def test_a_server_that_no_browser_reaches_gives_no_links(
        self, bucket: str, endpoint: str, tmp_path: Path
    ):
        storage = S3Storage.from_url(
            f"s3://{bucket}?endpoint={endpoint}&link_endpoint=none", work=tmp_path / "w", **KEYS
        )
        put(storage, "outputs/1/results.csv", b"x")
        assert storage.link("outputs/1/results.csv") is None
        announced = Announced("uploads/1/a.mp4", 1, "0" * 64, "video/mp4")
        assert storage.upload_link(announced) is None
        with pytest.raises(NotFound):
            storage.link("outputs/1/absent.csv")


def test_a_missing_bucket_is_said(endpoint: str, tmp_path: Path):
    storage = S3Storage("no-such-bucket", work=tmp_path / "w", endpoint=endpoint, **KEYS)
    storage.local("a/b.txt").write_bytes(b"x")
    with pytest.raises(Terminal, match="no such bucket") as raised:
        storage.keep("a/b.txt")
    assert not isinstance(raised.value, NotFound)


def test_a_server_that_does_not_answer_can_be_tried_again(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    storage = S3Storage("b", work=tmp_path / "w", endpoint=f"http://127.0.0.1:{port}", **KEYS)
    with pytest.raises(Unavailable, match="does not answer") as raised:
        storage.exists("a/b.txt")
    assert "a-secret-key" not in str(raised.value)


def test_a_stream_that_breaks_can_be_tried_again(tmp_path: Path):
    """A server that promises 1000 bytes, sends 10 and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    storage = S3Storage("b", work=tmp_path / "w", endpoint=endpoint, **KEYS)
    with pytest.raises(Unavailable, match="does not answer"), storage.open("a/b.txt") as stream:
        stream.read()
    thread.join()
    listener.close()


@pytest.mark.parametrize("url", ["s3://", "s3:bucket", "file:x", "s3://bucket?endpiont=http://a"])
def test_other_addresses_are_refused_with_an_example(url: str, tmp_path: Path):
    with pytest.raises(BadInput, match="s3://bucket/prefix"):
        S3Storage.from_url(url, work=tmp_path, **KEYS)


def test_keys_in_the_address_are_refused_and_not_repeated(tmp_path: Path):
    with pytest.raises(BadInput, match="ACTVERSE_STORAGE_S3__SECRET_KEY") as raised:
        S3Storage.from_url("s3://key:a-secret@bucket/prefix", work=tmp_path)
    assert "a-secret" not in str(raised.value)


def test_the_keys_of_the_settings_are_used_and_never_shown(
    endpoint: str, bucket: str, tmp_path: Path
):
    settings = Settings(
        data_dir=tmp_path,
        storage=f"s3://{bucket}?endpoint={endpoint}",
        storage_s3={**KEYS, "cache_bytes": 1_000_000},
    )
    storage = S3Storage.from_settings(settings)
    put(storage, "videos/1/a.mp4", b"film")
    assert storage._client._request_signer._credentials.secret_key == "a-secret-key"
    assert storage.cache.limit_bytes == 1_000_000
    for shown in (repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "a-secret-key" not in shown
