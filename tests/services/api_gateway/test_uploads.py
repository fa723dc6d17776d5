"""Uploads: whole or not at all, within bounds, under harmless names."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.web import uploads
from shared.web.form_file import safe_name
from shared.web.uploads import forget_broken
from tests.shared.web.door import Door

ROOT = Path(__file__).resolve().parents[3]
LIMIT = 2 * 1024**2
CLIP = ("clip.mp4", b"\0\0\0\x18ftypmp42" + b"x" * 1000, "video/mp4")


def uploads_of(door: Door) -> list[Path]:
    return sorted((door.platform.settings.data_dir / "uploads").glob("*"))


def form(name: bytes = b'filename="a.mp4"', kind: bytes = b"video/mp4") -> tuple[bytes, bytes]:
    """What stands before and after the bytes of a file."""
    head = b'--B\r\nContent-Disposition: form-data; name="file"; ' + name
    return head + b"\r\nContent-Type: " + kind + b"\r\n\r\n", b"\r\n--B--\r\n"


def send(client: httpx.Client, body, **headers: str) -> httpx.Response:
    kind = {"Content-Type": "multipart/form-data; boundary=B"}
    return client.post("/uploads/", content=body, headers=kind | headers)


def test_an_upload_is_stored_as_sent(door, ann) -> None:
    answer = ann.post("/uploads/", files={"file": CLIP})
    assert answer.status_code == 201
    told = answer.json()
    assert told["sha256"] == hashlib.sha256(CLIP[1]).hexdigest()
    assert (told["bytes"], told["filename"]) == (len(CLIP[1]), "clip.mp4")
    key = "uploads/" + told["file_path"].removeprefix("upload://")
    assert door.platform.storage.fetch(key, told["sha256"]).read_bytes() == CLIP[1]
    assert ann.post("/tasks/", json={"file_path": told["file_path"]}).status_code == 202
    assert ann.post("/tasks/", json={"file_path": key}).status_code == 202


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\clip.mp4", "clip.mp4"),
        ("/absolute/clip.mp4", "clip.mp4"),
        ("쥐 실험 1.mp4", "쥐_실험_1.mp4"),
        ("cafe\u0301.mp4", "café.mp4"),
        ("..", "video"),
        (".mp4", "mp4"),
        ("", "video"),
        ("a\r\nX: y.mp4", "a_X_y.mp4"),
        ("$(rm -rf);&|.mp4", "rm_-rf.mp4"),
        ("쥐" * 300 + ".mp4", "쥐" * 38 + ".mp4"),
    ],
)
def test_a_name_becomes_harmless(given: str, kept: str) -> None:
    assert safe_name(given) == kept
    assert len(safe_name(given).encode()) < 200


@pytest.mark.parametrize("given", ["쥐 실험.mp4", "../../x.mp4", "쥐" * 300 + ".mp4"])
def test_any_name_can_be_sent(door, ann, given: str) -> None:
    told = ann.post("/uploads/", files={"file": (given, CLIP[1], "video/mp4")}).json()
    assert told["filename"] == safe_name(given)
    folder = door.platform.settings.data_dir / "uploads"
    (stored,) = folder.glob(f"{told['file_path'].split('/')[2]}/*")
    assert stored.name == safe_name(given)
    assert ann.post("/tasks/", json={"file_path": told["file_path"]}).status_code == 202


REFUSED = {
    "not a form": (415, lambda c: c.post("/uploads/", content=b"x" * 100)),
    "json": (415, lambda c: c.post("/uploads/", json={"file": "x"})),
    "text": (415, lambda c: c.post("/uploads/", files={"file": ("a.txt", b"hi", "text/plain")})),
    "pdf": (
        415,
        lambda c: c.post("/uploads/", files={"file": ("a.mp4", b"%PDF-1.7 ...", "video/mp4")}),
    ),
    "page": (
        415,
        lambda c: c.post("/uploads/", files={"file": ("a", b"\n<!doctype html>", "video/mp4")}),
    ),
    "empty": (400, lambda c: c.post("/uploads/", files={"file": ("a.mp4", b"", "video/mp4")})),
    "other field": (400, lambda c: c.post("/uploads/", files={"video": CLIP})),
    "no filename": (400, lambda c: send(c, b"".join(form(name=b"")))),
    "two files": (
        400,
        lambda c: c.post("/uploads/", files=[("file", CLIP), ("file", CLIP)]),
    ),
    "no boundary": (
        415,
        lambda c: c.post(
            "/uploads/", content=b"x", headers={"Content-Type": "multipart/form-data"}
        ),
    ),
    "cut off": (400, lambda c: send(c, form()[0] + b"half")),
    "garbage": (400, lambda c: send(c, b"\0" * 500)),
    "long header": (400, lambda c: send(c, b"--B\r\nX: " + b"y" * 100_000 + b"\r\n\r\n")),
    "too large": (
        413,
        lambda c: c.post("/uploads/", files={"file": ("a.mp4", b"x" * 2 * LIMIT, "video/mp4")}),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_upload_is_refused_and_leaves_nothing(door, ann, what: str) -> None:
    before = uploads_of(door)
    status, sending = REFUSED[what]
    answer = sending(ann)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20
    assert uploads_of(door) == before


def test_a_small_form_around_the_file_is_fine(ann) -> None:
    parts = {"file": CLIP, "note": (None, "the second session")}
    assert ann.post("/uploads/", files=parts).status_code == 201


def test_the_limit_holds_while_a_file_streams_in(door, ann) -> None:
    """Without Content-Length nobody knows before; the sender still reads why."""
    before = uploads_of(door)
    head, _ = form()
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield head
        while sent < 50 * LIMIT:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    answer = send(ann, endless())
    assert answer.status_code == 413
    assert "ACTVERSE_GATEWAY__MAX_UPLOAD_BYTES" in answer.json()["detail"]
    assert uploads_of(door) == before


def test_a_limit_is_a_limit_to_the_byte(ann) -> None:
    for size, status in ((LIMIT, 201), (LIMIT + 1, 413)):
        file = {"file": ("a.mp4", b"x" * size, "video/mp4")}
        assert ann.post("/uploads/", files=file).status_code == status


def _connect(door: Door, length: int) -> socket.socket:
    host, port = door.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head, _ = form()
    connection.sendall(
        f"POST /uploads/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.key}\r\n"
        f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {length}\r\n\r\n".encode()
        + head
        + b"x" * (uploads.GATHERED_BYTES + 100_000)  # enough to be written before the rest
    )
    return connection


def test_a_sender_who_vanishes_leaves_nothing_behind(door) -> None:
    before = uploads_of(door)
    connection = _connect(door, length=LIMIT)
    until = time.monotonic() + 5
    while uploads_of(door) == before:
        assert time.monotonic() < until
        time.sleep(0.01)
    connection.close()
    while uploads_of(door) != before:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_sender_who_falls_silent_is_given_up(door, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "CHUNK_PATIENCE_S", 0.2)
    monkeypatch.setattr(uploads, "LINGER_S", 0.2)
    before = uploads_of(door)
    connection = _connect(door, length=LIMIT)
    connection.settimeout(10)
    answer = b""
    while b"silent" not in answer and (piece := connection.recv(65536)):
        answer += piece  # headers and body may come apart
    assert b" 400 " in answer.splitlines()[0]
    assert b"silent" in answer
    connection.close()
    assert uploads_of(door) == before


def test_what_a_killed_gateway_left_is_removed_later(tmp_path: Path) -> None:
    for name in ("old", "fresh", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("a.mp4" if name == "whole" else "a.mp4.part")).write_bytes(b"x")
    os.utime(tmp_path / "old" / "a.mp4.part", (1, 1))
    os.utime(tmp_path / "whole" / "a.mp4", (1, 1))
    assert forget_broken(tmp_path) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fresh", "whole"]


def _peak_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_large_upload_does_not_go_through_memory(tmp_path: Path) -> None:
    """200 MB into a server of its own, whose memory grows by less than 32 MB."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "ACTVERSE_DATA_DIR": str(tmp_path),
        "ACTVERSE_GATEWAY__PORT": str(port),
        "ACTVERSE_GATEWAY__MAX_UPLOAD_BYTES": str(1024**3),  # other tests lower it
        "ACTVERSE_MODEL_SERVER": f"openvino:{tmp_path}",
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "shared.web.serve", "api_gateway"],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"{url}/docs").is_success:
                    break
            except httpx.TransportError:
                assert time.monotonic() < until, (tmp_path / "log").read_text()
                time.sleep(0.1)
        key = (tmp_path / "api_key").read_text().strip()
        head, tail = form()
        block, blocks = os.urandom(1024 * 1024), 96  # three times what it may cost
        digest = hashlib.sha256()

        def body() -> Iterator[bytes]:
            yield head
            for _ in range(blocks):
                digest.update(block)
                yield block
            yield tail

        with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=120) as client:
            client.post("/uploads/", files={"file": CLIP}).raise_for_status()
            before = _peak_kib(server.pid)
            told = send(client, body()).json()
            assert told["bytes"] == blocks * len(block)
            assert told["sha256"] == digest.hexdigest()
            assert _peak_kib(server.pid) - before < 32 * 1024
    finally:
        server.terminate()
        server.wait(20)
    logged = (tmp_path / "log").read_text()
    assert key not in logged
    assert "Traceback" not in logged


def test_others_are_served_while_uploads_come_in(door, ann) -> None:
    connections = [_connect(door, length=LIMIT) for _ in range(12)]
    try:
        begun = time.monotonic()
        assert ann.get("/tasks/").status_code == 200
        assert time.monotonic() - begun < 3
        assert threading.active_count() < 120
    finally:
        for connection in connections:
            connection.close()
