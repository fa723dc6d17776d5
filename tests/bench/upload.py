"""A large upload to the gateway: how much memory its process takes for it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

from tests.bench import load
from tests.bench.rows import Effort, Row
from tests.bench.worlds import World, gateway

SIZE_BYTES = 2 * 1024**3
PIECE = bytes(range(256)) * 4096  # 1 MiB, not all zeros
MOST_MIB = 64
LOOK_EVERY_S = 0.02
BOUNDARY = "bench"
BEFORE = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="openfield.mp4"\r\n'
    "Content-Type: video/mp4\r\n\r\n"
).encode()
AFTER = f"\r\n--{BOUNDARY}--\r\n".encode()


class Watch:
    """The highest resident memory of a process while the block runs."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.before = self.peak = process.memory_info().rss

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.peak = max(self.peak, self._process.memory_info().rss)


def measure(folder: Path, effort: Effort, say: Callable[[str], None]) -> list[Row]:
    """One row; a small upload goes first, so that what is loaded once is not counted."""
    size = effort.of(SIZE_BYTES, SIZE_BYTES // 32)
    with gateway(folder / "upload", World("SQLite")) as door:
        send(door.port, door.key, len(PIECE))
        with Watch(door.process) as watch:
            begun = time.monotonic()
            told = send(door.port, door.key, size)
            seconds = time.monotonic() - begun
    if told["bytes"] != size:
        raise RuntimeError(f"{told} instead of {size} bytes")
    grown = (watch.peak - watch.before) / 2**20
    say(f"{size / 2**20:.0f} MiB in {seconds:.1f} s, {grown:.1f} MiB more memory")
    return [
        Row(
            f"an upload of {size / 2**30:.2g} GiB through the gateway",
            f"its memory grows by less than {MOST_MIB} MiB",
            f"{grown:.1f} MiB",
            grown < MOST_MIB,
            f"{size / 2**20 / seconds:.0f} MiB/s, hashed and stored on the way",
            "-",
            "Resident memory of the gateway's process, looked at every "
            f"{LOOK_EVERY_S * 1000:.0f} ms, against what it was after an upload of 1 MiB.",
        )
    ]


def send(port: int, key: str, size: int) -> dict[str, object]:
    """Send a file of `size` bytes as a form; what the gateway says of it."""
    head = load.request(
        "POST",
        "/uploads/",
        length=len(BEFORE) + size + len(AFTER),
        authorization=f"Bearer {key}",
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
    )
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(head + BEFORE)
        for _ in range(size // len(PIECE)):
            connection.sendall(PIECE)
        connection.sendall(AFTER)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            received = connection.recv(65536)
            if not received:
                break
            answer += received
    if not answer.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(answer.decode())
    found: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found
