"""Bodies that are larger or slower than anybody needs, under headers that are to let them pass."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from shared.web import uploads
from shared.web.gate import MAX_BODY_BYTES
from tests.shared.web.door import Door

KINDS = ("multipart/form-data; boundary=x", "multipart/related", "Multipart/mixed")
PIECE = b"x" * 64 * 1024
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
    b"Content-Type: video/mp4\r\n\r\n"
)


@pytest.mark.parametrize("path", ["/tasks/", "/auth/keys", "/analyze-voice"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_is_not_kept_in_memory_because_it_says_it_is_a_form(
    ann: httpx.Client, path: str, kind: str
) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(3 * MAX_BODY_BYTES // len(PIECE)):
            yield PIECE

    refused = ann.post(path, content=pieces(), headers={"Content-Type": kind})
    assert (refused.status_code, refused.json()["status"]) == (413, 413)


def test_a_sender_who_drips_is_given_up(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "CHUNK_PATIENCE_S", 0.3)
    monkeypatch.setattr(uploads, "LINGER_S", 0.2)
    server = urlsplit(door.url)
    with socket.create_connection((server.hostname, server.port), timeout=10) as connection:
        head = (
            f"POST /uploads/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {door.key}\r\n"
            f"Content-Type: {KINDS[0]}\r\nContent-Length: 100000\r\n\r\n"
        )
        connection.sendall(head.encode() + FORM)
        connection.settimeout(0.05)
        answer, begun = b"", time.monotonic()
        while b"connection" not in answer and time.monotonic() - begun < 20:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")
            with contextlib.suppress(TimeoutError, ConnectionError):
                answer += connection.recv(65536)
    assert b" 400 " in answer.splitlines()[0]
    assert b"1024 bytes a second" in answer
