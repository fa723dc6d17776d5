"""The S3 adapter against a real server: signatures, expiry and checksums are really checked there."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError

from shared.errors import Conflict, Invalid, TooLarge, Unavailable
from shared.storage.port import INCOMING, Announced
from shared.storage.s3 import MULTIPART_BYTES, S3Storage
from tests.contracts.storage import StorageContract, put, sha
from tests.servers.s3 import LEAST_PART_BYTES, S3Server

FILM = os.urandom(100_000)


def opened(server: S3Server, place: str, work: Path, **more) -> S3Storage:
    return S3Storage.from_url(
        f"s3://{place}?endpoint={server.url}",
        work=work,
        access_key=server.access_key,
        secret_key=server.secret_key,
        **more,
    )


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> str:
    return s3_server.bucket()


@pytest.fixture
def place(bucket: str) -> str:
    """A part of the bucket of a test's own."""
    return f"{bucket}/tenants/{uuid.uuid4().hex}"


@pytest.fixture
def storage(s3_server: S3Server, place: str, tmp_path: Path) -> S3Storage:
    return opened(s3_server, place, tmp_path / "work")


@pytest.fixture
def elsewhere(s3_server: S3Server, place: str, tmp_path: Path) -> S3Storage:
    """The same bucket, seen from another machine."""
    return opened(s3_server, place, tmp_path / "elsewhere")


def announced(data: bytes = FILM, key: str = "uploads/7/film.mp4") -> Announced:
    return Announced(key, len(data), sha(data), "video/mp4")


def send(link, data: bytes = FILM, **headers: str) -> httpx.Response:
    return httpx.put(link.url, content=data, headers=link.headers | headers)


class TestS3Storage(StorageContract):
    def test_a_large_file_goes_in_parts_and_comes_back_the_same(
        self, storage: S3Storage, elsewhere: S3Storage
    ):
        parts = []
        storage._client.meta.events.register(
            "before-call.s3.UploadPart", lambda **call: parts.append(call["params"]["url"])
        )
        data = os.urandom(2 * MULTIPART_BYTES + 1234)
        put(storage, "videos/1/a.mp4", data)
        assert len(parts) == 3
        assert elsewhere.fetch("videos/1/a.mp4", sha(data)).read_bytes() == data

    def test_the_bound_of_the_cache_costs_a_download_and_nothing_else(
        self, s3_server: S3Server, place: str, tmp_path: Path
    ):
        storage = opened(s3_server, place, tmp_path / "small", cache_bytes=1_000_000)
        for n in range(4):
            put(storage, f"videos/{n}/a.mp4", bytes([n]) * 400_000)
            os.utime(storage.cache.root / f".kept/videos/{n}/a.mp4.json", (n + 1, n + 1))
        storage.cache.trim()
        assert not storage.local("videos/0/a.mp4").exists()
        assert storage.fetch("videos/0/a.mp4").read_bytes() == bytes(400_000)
        assert storage.fetch("videos/3/a.mp4").read_bytes() == bytes([3]) * 400_000

    def test_an_upload_in_parts_that_was_killed_is_ended_when_it_is_old(self, storage: S3Storage):
        place = {"Bucket": storage.bucket, "Key": f"{storage.prefix}videos/1/a.mp4"}
        begun = storage._client.create_multipart_upload(**place)
        upload = {**place, "UploadId": begun["UploadId"]}
        storage._client.upload_part(**upload, PartNumber=1, Body=bytes(LEAST_PART_BYTES))
        assert storage.tidy() == 0
        assert storage.tidy(older_s=-5) == 1
        with pytest.raises(ClientError, match="NoSuchUpload"):
            storage._client.list_parts(**upload)


# --- addresses that anybody may use, for a while --------------------------------------------------


def tampered(url: str) -> str:
    head, _, signature = url.partition("X-Amz-Signature=")
    flipped = "0" if signature[0] != "0" else "1"
    return f"{head}X-Amz-Signature={flipped}{signature[1:]}"


def test_a_link_ends_and_fits_one_file_only(storage: S3Storage):
    put(storage, "outputs/1/results.csv", b"frame\n")
    put(storage, "outputs/2/results.csv", b"of another\n")
    link = storage.link("outputs/1/results.csv", 60)
    answer = httpx.get(link)
    assert (answer.status_code, answer.content) == (200, b"frame\n")
    assert httpx.get(link, headers={"Range": "bytes=1-3"}).content == b"ram"
    assert httpx.get(tampered(link)).status_code == 403
    assert httpx.get(link.replace("outputs/1", "outputs/2")).status_code == 403
    assert httpx.put(link, content=b"x").status_code == 403
    link = storage.link("outputs/1/results.csv", 1)
    deadline = time.monotonic() + 10
    while httpx.get(link).status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_only_the_announced_file_can_be_sent(storage: S3Storage):
    link = storage.upload_link(announced(), 60)
    other = os.urandom(len(FILM))
    theirs = base64.b64encode(hashlib.sha256(other).digest()).decode()
    refused = {
        "other content": send(link, other),
        "other content with its own checksum": send(
            link, other, **{"x-amz-checksum-sha256": theirs}
        ),
        "shorter": send(link, FILM[:-1]),
        "longer": send(link, FILM + b"x"),
        "other type": send(link, **{"Content-Type": "text/html"}),
        "without checksum": httpx.put(
            link.url, content=FILM, headers={"Content-Type": "video/mp4"}
        ),
        "bad signature": httpx.put(tampered(link.url), content=FILM, headers=link.headers),
        "other key": httpx.put(
            link.url.replace("uploads/7", "uploads/8"), content=FILM, headers=link.headers
        ),
    }
    assert {
        what: answer.status_code in {400, 403} for what, answer in refused.items()
    } == dict.fromkeys(refused, True)
    assert storage.list(INCOMING) == ()
    assert send(link).status_code == 200
    assert storage.receive(announced()).sha256 == sha(FILM)


def test_an_upload_address_ends(storage: S3Storage):
    link = storage.upload_link(announced(), 1)
    deadline = time.monotonic() + 10
    while send(link).status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for life in (0, 8 * 24 * 3600):
        with pytest.raises(Invalid, match="lives between"):
            storage.upload_link(announced(), life)
    with pytest.raises(TooLarge, match="POST /uploads/"):
        storage.upload_link(Announced("uploads/7/a.mp4", 6 << 30, sha(FILM), "video/mp4"), 60)


@pytest.mark.parametrize("other", [FILM[::-1], FILM[:-1], b""], ids=["reversed", "short", "empty"])
def test_what_came_past_the_checks_of_the_server_is_refused_by_ours(
    storage: S3Storage, other: bytes
):
    """A server that checks nothing: somebody's other file lies where the announced one should."""
    storage._client.put_object(
        Bucket=storage.bucket,
        Key=f"{storage.prefix}{INCOMING}/uploads/7/film.mp4",
        Body=other,
        Metadata={"sha256": sha(FILM)},
    )
    with pytest.raises(Conflict, match="Send the file again"):
        storage.receive(announced())
    assert not storage.exists("uploads/7/film.mp4")


def test_an_address_used_again_afterwards_changes_nothing(storage: S3Storage):
    link = storage.upload_link(announced(), 60)
    send(link)
    storage.receive(announced())
    assert send(link).status_code == 200  # it is still signed, and lands beside
    assert storage.fetch("uploads/7/film.mp4", sha(FILM)).read_bytes() == FILM
    assert storage.delete(f"{INCOMING}/uploads/7") == 1


# --- a server that goes away ----------------------------------------------------------------------


def test_a_server_that_goes_away_can_be_tried_again_and_nothing_is_lost(tmp_path: Path):
    with S3Server(tmp_path / "server") as server:
        storage = opened(server, server.bucket(), tmp_path / "work")
        put(storage, "videos/1/a.mp4", FILM)
        stream = storage.open("videos/1/a.mp4")
        server.kill()
        (tmp_path / "new.mp4").write_bytes(FILM[::-1])
        verbs = {
            "keep": lambda: storage.keep(tmp_path / "new.mp4", "videos/2/a.mp4"),
            "fetch": lambda: storage.fetch("videos/1/a.mp4"),
            "open": lambda: storage.open("videos/1/a.mp4"),
            "receive": lambda: storage.receive(announced()),
            "list": lambda: storage.list("videos"),
            "delete": lambda: storage.delete("videos/1"),
        }
        for verb in verbs.values():
            with pytest.raises(Unavailable) as raised:
                verb()
            assert server.secret_key not in str(raised.value)
        stream.close()
        server.start()
        assert storage.fetch("videos/1/a.mp4", sha(FILM)).read_bytes() == FILM
        storage.keep(tmp_path / "new.mp4", "videos/2/a.mp4")
        assert storage.list("videos") == ("videos/1/a.mp4", "videos/2/a.mp4")


# --- memory ---------------------------------------------------------------------------------------

SIDE = """
import hashlib, sys
from pathlib import Path
from shared.storage.s3 import S3Storage
url, access, secret, work, size = *sys.argv[1:5], int(sys.argv[5])
storage = S3Storage.from_url(url, work=Path(work), access_key=access, secret_key=secret)

def peak_mb():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024

small = storage.local("videos/0/a.mp4")
small.write_bytes(bytes(40 << 20))  # in parts too: every thread and buffer exists afterwards
storage.keep("videos/0/a.mp4")
small.unlink()
storage.fetch("videos/0/a.mp4")
before = peak_mb()
large = storage.local("videos/1/a.mp4")
with large.open("wb") as file:
    for n in range(size >> 20):
        file.write(bytes([n % 256]) * (1 << 20))
stored = storage.keep("videos/1/a.mp4")
large.unlink()
storage.fetch("videos/1/a.mp4", stored.sha256)
sha = hashlib.sha256()
with storage.open("videos/1/a.mp4") as stream:
    while chunk := stream.read(1 << 20):
        sha.update(chunk)
assert sha.hexdigest() == stored.sha256
print(peak_mb() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_large_file_does_not_go_through_memory(s3_server: S3Server, bucket: str, tmp_path: Path):
    """Up in parts, down in parts, and as a stream: 400 MB cost less than 32 MB of memory."""
    argv = [sys.executable, "-c", SIDE, f"s3://{bucket}?endpoint={s3_server.url}"]
    argv += [s3_server.access_key, s3_server.secret_key, str(tmp_path / "work"), str(400 << 20)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 32
