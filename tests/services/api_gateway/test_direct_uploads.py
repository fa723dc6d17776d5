"""Uploads that go straight into the storage, on a real S3 server; and where there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from shared.db.models import Upload, now
from shared.flow import leftovers
from shared.storage.port import INCOMING
from tests.servers.ports import free_ports
from tests.servers.s3 import S3Server
from tests.shared.web.door import Door

FILM = b"\0\0\0\x18ftypmp42" + b"x" * 100_000
SHA256 = hashlib.sha256(FILM).hexdigest()
LIMIT = 2 * 1024**2
WISH = {"filename": "open field.mp4", "bytes": len(FILM), "sha256": SHA256}


@pytest.fixture(scope="module")
def beside_s3(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(
        tmp_path_factory.mktemp("data"),
        storage=f"s3://{s3_server.bucket()}/mesh?endpoint={s3_server.url}",
        storage_s3={"access_key": s3_server.access_key, "secret_key": s3_server.secret_key},
        gateway={"max_upload_bytes": LIMIT},
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def eve(beside_s3: Door) -> Iterator[httpx.Client]:
    with beside_s3.client("eve") as client:
        yield client


def announce(client: httpx.Client, **changes) -> dict:
    answer = client.post("/uploads/direct", json=WISH | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def send(told: dict, data: bytes = FILM) -> httpx.Response:
    return httpx.request(told["method"], told["url"], content=data, headers=told["headers"])


def test_a_file_that_was_sent_directly_becomes_an_upload(beside_s3: Door, eve: httpx.Client):
    told = announce(eve)
    path = f"upload://{told['upload_id']}/open_field.mp4"
    early = eve.post("/tasks/", json={"file_path": path})
    assert (early.status_code, early.json()["code"]) == (404, "NotFound")
    missing = eve.post(f"/uploads/direct/{told['upload_id']}/complete")
    assert missing.status_code == 404
    assert "Send the file to the address first" in missing.json()["detail"]
    assert send(told).status_code == 200
    for _ in range(2):  # a repeated call is harmless
        done = eve.post(f"/uploads/direct/{told['upload_id']}/complete")
        assert done.status_code == 201, done.text
        assert done.json() == {
            "file_path": path, "filename": "open_field.mp4", "bytes": len(FILM), "sha256": SHA256
        }  # fmt: skip
    key = "uploads/" + path.removeprefix("upload://")
    assert beside_s3.platform.storage.fetch(key, SHA256).read_bytes() == FILM
    assert eve.post("/tasks/", json={"file_path": path}).status_code == 202
    assert beside_s3.platform.storage.list(INCOMING) == ()


def test_another_file_than_the_announced_is_refused(beside_s3: Door, eve: httpx.Client):
    told = announce(eve)
    assert send(told, FILM[::-1]).status_code in {400, 403}
    storage = beside_s3.platform.storage
    storage._client.put_object(  # past the checks of the server
        Bucket=storage.bucket,
        Key=f"{storage.prefix}{INCOMING}/uploads/{told['upload_id']}/open_field.mp4",
        Body=FILM[::-1],
    )
    answer = eve.post(f"/uploads/direct/{told['upload_id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (409, "Conflict")
    assert not storage.exists(f"uploads/{told['upload_id']}/open_field.mp4")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"bytes": LIMIT + 1}, 413),
        ({"bytes": 0}, 422),
        ({"sha256": "abc"}, 422),
        ({"filename": ""}, 422),
        ({"content_type": "text/html"}, 415),
        ({"content_type": "video/mp4\r\nX-Evil: 1"}, 415),
        ({"filename": "a.txt"}, 415),
        ({"bucket": "other"}, 422),
    ],
)
def test_what_is_no_wish_is_refused(eve: httpx.Client, changes: dict, status: int):
    assert eve.post("/uploads/direct", json=WISH | changes).status_code == status


def test_nobody_completes_the_upload_of_another(beside_s3: Door, eve: httpx.Client):
    told = announce(eve)
    send(told)
    with beside_s3.client("mallory") as mallory:
        answer = mallory.post(f"/uploads/direct/{told['upload_id']}/complete")
    assert answer.status_code == 404
    assert httpx.post(f"{beside_s3.url}/uploads/direct", json=WISH).status_code == 401
    assert eve.post("/uploads/direct/nothing/complete").status_code == 404


def test_what_was_never_completed_is_removed_after_a_while(beside_s3: Door, eve: httpx.Client):
    platform = beside_s3.platform
    stale, fresh, done = (announce(eve)["upload_id"] for _ in range(3))
    old = announce(eve)
    send(old)
    with platform.sessions.begin() as session:
        for upload_id in (stale, done, old["upload_id"]):
            session.get_one(Upload, upload_id).created_at = now() - timedelta(days=30)
        session.get_one(Upload, done).state = "READY"
    leftovers.remove(platform)
    with platform.reads() as session:
        left = {i for i in (stale, fresh, done, old["upload_id"]) if session.get(Upload, i)}
    assert left == {fresh, done}
    assert not [k for k in platform.storage.list(INCOMING) if old["upload_id"] in k]
    assert eve.post(f"/uploads/direct/{stale}/complete").status_code == 404


def test_an_upload_through_the_gateway_lands_in_the_bucket_too(beside_s3: Door, eve: httpx.Client):
    told = eve.post("/uploads/", files={"file": ("a.mp4", FILM, "video/mp4")}).json()
    key = "uploads/" + told["file_path"].removeprefix("upload://")
    with beside_s3.platform.storage.open(key) as stream:
        assert stream.read() == FILM


def test_where_files_lie_in_a_folder_the_other_way_is_named(ann: httpx.Client):
    answer = ann.post("/uploads/direct", json=WISH)
    assert (answer.status_code, answer.json()["code"]) == (409, "NoDirectUploads")
    assert "POST /uploads/" in answer.json()["detail"]


def test_a_bucket_that_is_away_leaves_nothing_of_an_upload(tmp_path):
    port = free_ports(1)[0]
    keys = {"access_key": "a", "secret_key": "b"}
    away = f"s3://bucket?endpoint=http://127.0.0.1:{port}"
    with Door.opened(tmp_path, storage=away, storage_s3=keys) as door, door.client() as client:
        sent = client.post("/uploads/", files={"file": ("a.mp4", FILM, "video/mp4")})
        assert (sent.status_code, sent.json()["code"]) == (503, "Unavailable")
        assert sent.headers["retry-after"]
        told = announce(client)
        done = client.post(f"/uploads/direct/{told['upload_id']}/complete")
        assert (done.status_code, done.json()["code"]) == (503, "Unavailable")
        assert [p for p in tmp_path.rglob("*.mp4*") if p.is_file()] == []
