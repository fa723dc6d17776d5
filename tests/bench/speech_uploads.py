"""`python -m tests.bench.speech_uploads`: fifty learners send a line at one moment.

A gateway, a worker with two processes and the clock, as the embedded mesh runs them. Every recording is
another one, so that each is compared; with `--known` all are one that was compared before, so that the
scorer rests. Measured are the answers to the uploads, as their senders see
them from the first byte that they send; then every comparison is followed by a stream of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from deploy.local.triton import free_ports
from tests.bench.worlds import World, gateway, running
from tests.services.audio_analyzer import sounds

UPLOADS = 50
P95_MS = 300.0
SERVICES = ("api_gateway", "audio_analyzer")
STEPS = [40, 70, 90, 100]
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Answered:
    """One upload."""

    status: int
    job: str
    ms: float


@dataclass(frozen=True)
class Door:
    """Where recordings go."""

    port: int
    key: str
    token: str

    def upload(self, sound: bytes) -> bytes:
        """The request, as it goes over the wire."""
        part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="said.webm"\r\n'
        body = part + b"Content-Type: audio/webm\r\n\r\n" + sound + b"\r\n--B--\r\n"
        head = (
            f"POST /tokens/{self.token}/upload-audio HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=B\r\n\r\n"
        )
        return head.encode() + body

    async def send(self, request: bytes) -> Answered:
        """Connect, send, and read the answer."""
        begun = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        told = json.loads(await reader.readexactly(length))
        ms = 1000 * (time.perf_counter() - begun)
        writer.close()
        return Answered(int(head.split()[1]), told.get("job_id", ""), ms)

    async def follow(self, job: str) -> list[dict[str, Any]]:
        """What the stream of a comparison tells, until it is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            f"GET /tokens/analysis-progress/{job} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.key}\r\n\r\n".encode()
        )
        told: list[dict[str, Any]] = []
        while line := await reader.readline():
            if line.startswith(b'data: {"status"'):
                told.append(json.loads(line[5:]))
                if told[-1]["progress"] == STEPS[-1]:
                    break
        writer.close()
        return told


def recordings(count: int, seed: int) -> list[bytes]:
    """Recordings of one line, each a little louder than the one before, as browsers send them."""
    said = sounds.heard("sea_learner", 48_000)
    gains = [0.4 + 0.5 * (n + seed * count) / (2 * count) for n in range(count)]
    return [
        sounds.encoded(gain * said, "webm", "libopus", rate=48_000, given_rate=48_000, live="1")
        for gain in gains
    ]


async def sent(door: Door, requests: list[bytes]) -> list[Answered]:
    """All at one moment."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*(door.send(request) for request in requests))


async def followed(door: Door, jobs: list[str]) -> list[list[dict[str, Any]]]:
    """The stream of each, all open at once."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*(door.follow(job) for job in jobs))


def catalogue(port: int, key: str) -> Door:
    """One quote whose take is prepared."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        actor = client.post("/actors", json={"name": "Slt"}).json()["id"]
        told = {"actor_id": actor, "film": "The sea", "text": sounds.line("sea")}
        token = client.post("/tokens", json=told).json()["id"]
        file = {"file": ("take.ogg", sounds.sample("sea_actor"), "audio/ogg")}
        client.put(f"/tokens/{token}/audio", files=file).raise_for_status()
        while (line := client.get(f"/tokens/{token}").json())["state"] == "PREPARING":
            time.sleep(0.1)
        if line["state"] != "READY":
            raise RuntimeError(line["problem"])
    return Door(port, key, token)


def measure(folder: Path, rounds: int, say: Callable[[str], None], *, known: bool) -> bool:
    """Whether every round held what is promised; `known` recordings were compared before."""
    (spare,) = free_ports(1)
    env = {"ACTVERSE_DATA_DIR": str(folder), "ACTVERSE_METRICS__PORT": str(spare)}
    env["ACTVERSE_WORKER__CONCURRENCY"] = '{"audio_analyzer": 2}'
    worker = ["-m", "shared.flow.worker", "audio_analyzer"]
    with (
        gateway(folder, World("SQLite"), services=SERVICES) as ours,
        running(worker, env, folder / "worker.log"),
    ):
        door = catalogue(ours.port, ours.key)
        sample = sounds.sample("sea_learner")
        (warm,) = asyncio.run(sent(door, [door.upload(sample)]))
        asyncio.run(followed(door, [warm.job]))
        kept = []
        for number in range(rounds):
            sent_now = [sample] * UPLOADS if known else recordings(UPLOADS, number)
            kept.append(_round(door, ours.process, sent_now, say))
        return all(kept)


def _round(
    door: Door, process: psutil.Process, said: list[bytes], say: Callable[[str], None]
) -> bool:
    requests = [door.upload(sound) for sound in said]
    before, begun = sum(process.cpu_times()[:2]), time.perf_counter()
    answers = asyncio.run(sent(door, requests))
    cpu_ms = 1000 * (sum(process.cpu_times()[:2]) - before) / UPLOADS
    streams = asyncio.run(followed(door, [each.job for each in answers if each.status == 202]))
    seconds = time.perf_counter() - begun
    ms = sorted(each.ms for each in answers)
    p95 = ms[round(0.95 * UPLOADS) - 1]
    whole = sum([event["progress"] for event in told] == STEPS for told in streams)
    done = sum(bool(told) and told[-1]["status"] == "completed" for told in streams)
    say(
        f"{UPLOADS} uploads of {len(requests[0]) / 1024:.0f} kB: {len(streams)} answered 202, p50 "
        f"{statistics.median(ms):.0f} ms, p95 {p95:.0f} ms, slowest {ms[-1]:.0f} ms, "
        f"{cpu_ms:.1f} ms of a core each; {done} completed in {seconds:.0f} s, {whole} streams told "
        f"{STEPS}; load of the machine {psutil.getloadavg()[0]:.1f}"
    )
    return len(streams) == done == whole == UPLOADS and p95 < P95_MS


def main() -> int:
    """Measure and print; 1 when a promise was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--known", action="store_true", help="compared before: the scorer rests")
    given = parser.parse_args()

    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 - progress for whoever waits

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        kept = measure(Path(folder), given.rounds, say, known=given.known)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
