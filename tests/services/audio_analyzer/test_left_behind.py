"""A gateway dies between storing a file and storing who owns it: what it leaves goes, and nothing else."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.db.models import Task, User, now
from shared.db.speech_models import Script
from shared.flow import leftovers
from tests.services.audio_analyzer import sounds
from tests.shared.web.door import Door

FILE = {"file": ("said.ogg", sounds.sample("sea_learner"), "audio/ogg")}
LARGE = sounds.encoded(sounds.silence(100, 16_000), codec="pcm_s16le", rate=16_000)  # to be written
FILM = {"file": ("a.mp4", b"\0\0\0\x18ftypmp42" + b"x" * 1000, "video/mp4")}


class Killed(BaseException):
    """What no handler catches, as if the process were gone."""


@pytest.fixture(scope="module", params=["files", "s3"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    settings: dict[str, Any] = {}
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        settings = {
            "storage": f"s3://{server.bucket()}/mesh?endpoint={server.url}",
            "storage_s3": {"access_key": server.access_key, "secret_key": server.secret_key},
        }
    with Door.opened(tmp_path_factory.mktemp("data"), **settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


@pytest.fixture(scope="module")
def script(door: Door) -> str:
    with door.platform.sessions.begin() as session:
        row = Script(title="Sea", text=sounds.line(), searched="", state="READY")
        row.audio_sha256, row.features_key = "0", "catalogue/x/features.json"
        session.add(row)
        session.flush()
        return row.id


def send(client: httpx.Client, script: str) -> httpx.Response:
    return client.post(f"/scripts/{script}/upload-audio", files=FILE)


def folders(door: Door, kind: str) -> set[str]:
    return set(door.platform.storage.last_written(kind))


@contextlib.contextmanager
def stopped_after_storing(
    door: Door, monkeypatch: pytest.MonkeyPatch, *requests: Callable[[], object]
) -> Iterator[None]:
    """During the block the gateway goes no further with these: no handler of its own cleans up."""
    keep = door.platform.storage.keep
    stored, over = threading.Semaphore(0), threading.Event()

    def stops(*given: Any) -> None:
        keep(*given)
        stored.release()
        over.wait(120)
        raise Killed

    with monkeypatch.context() as broken, ThreadPoolExecutor(len(requests)) as pool:
        broken.setattr(door.platform.storage, "keep", stops)
        sent = [pool.submit(request) for request in requests]
        try:
            assert all(stored.acquire(timeout=60) for _ in sent)
            yield
        finally:
            over.set()


def later(monkeypatch: pytest.MonkeyPatch, **much: float) -> None:
    monkeypatch.setattr(leftovers, "now", lambda: now() + timedelta(**much))


def test_what_a_killed_gateway_stored_goes_and_what_is_owned_stays(
    door: Door, ann: httpx.Client, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = send(ann, script).json()["job_id"]
    sent = ann.post("/uploads/", files=FILM).json()["file_path"].split("/")[2]
    owned = {"inputs": {f"inputs/{job}"}, "uploads": {f"uploads/{sent}"}}
    requests = (
        lambda: ann.post(f"/scripts/{script}/upload-audio", files=FILE),
        lambda: ann.post("/uploads/", files=FILM),
    )
    with stopped_after_storing(door, monkeypatch, *requests):
        left = {kind: folders(door, kind) - owned[kind] for kind in owned}
        assert [len(each) for each in left.values()] == [1, 1]
        leftovers.remove(door.platform)
        assert leftovers.find(door.platform).folders == ()  # too young
        later(monkeypatch, minutes=61)
        assert set(leftovers.find(door.platform).folders) == left["inputs"]
        leftovers.remove(door.platform)
        assert {k: folders(door, k) - owned[k] for k in owned} == left | {"inputs": set()}
        later(monkeypatch, hours=25)
        leftovers.remove(door.platform)
        assert {kind: folders(door, kind) for kind in owned} == owned
    heard = ann.get(f"/scripts/analysis-result/{job}/recording", follow_redirects=True)
    assert heard.content == FILE["file"][1]
    with door.platform.reads() as session:
        assert session.get(Task, job) is not None


def aged(folder: Path, hours: float) -> None:
    at = time.time() - 3600 * hours
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (at, at))


@pytest.mark.parametrize("door", ["files"], indirect=True)
def test_an_upload_that_goes_on_is_left_alone_however_long_it_takes(
    door: Door, script: str
) -> None:
    platform, inputs = door.platform, door.platform.settings.data_dir / "inputs"
    with platform.sessions.begin() as session:
        for user in session.query(User):
            user.created_at = now() - timedelta(days=1)
    before = set(inputs.iterdir())
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n" + LARGE + b"\r\n--B--\r\n"
    )
    host, port = door.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /scripts/{script}/upload-audio HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {door.key}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=B\r\n\r\n".encode()
        )
        connection.sendall(body[:-1000])
        open_upload = _appears(inputs, before)
        orphan, new = inputs / "orphan", inputs / "new"
        for folder in (orphan, new):
            folder.mkdir()
            (folder / "recording.ogg").write_bytes(b"x")
        aged(orphan, 1.1)
        aged(new, 48)  # older than the database: who knows whose it is
        os.utime(open_upload, (0, 0))  # its folder was made long ago, what is in it was not
        assert leftovers.find(platform).folders == ("inputs/orphan",)
        leftovers.remove(platform)
        connection.sendall(body[-1000:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 202")
    assert set(inputs.iterdir()) - before == {open_upload, new}


def _appears(inputs: Path, before: set[Path]) -> Path:
    deadline = time.monotonic() + 20
    while not (found := set(inputs.iterdir()) - before):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found.pop()
