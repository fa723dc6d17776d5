"""Memory that this process shares with a Triton on the same machine, so that frames need no wire.

A region is a file in memory that both sides map. Its name is needed only until Triton has mapped it
and is removed at once, so nothing is left behind, however this process ends. What may stay is
Triton's own mapping; it is listed under a name that tells whose it is, and the next process that
opens regions lets go of those whose process has ended.
"""

from __future__ import annotations

import ipaddress
import mmap
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from shared.serving.port import Batch
from shared.serving.triton_errors import forgotten

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient

FOLDER = Path("/dev/shm")  # noqa: S108 - where shm_open keeps its files; Triton knows no other place
PREFIX = "actverse-frames"
MOST_BYTES = 256 << 20  # of one process, with what the server has not let go of yet
MOST = 32  # regions of one process
ANSWER_S = 1.0  # how long the server may take to map a region
PAUSE_S = 5.0  # without regions, after a server did not answer or all were in use
FIRST = (2, 51)  # the oldest Triton known to keep a region mapped while a request reads it

log = structlog.get_logger()


@dataclass(frozen=True)
class Region:
    """A place for one request's frames; nobody else writes there until it is given back."""

    name: str  # with Triton, and of the file while there is one
    memory: mmap.mmap

    def put(self, batch: Batch) -> None:
        """Copy a batch to the beginning."""
        place = np.frombuffer(self.memory, np.float32, batch.size)
        np.copyto(place.reshape(batch.shape), batch)


@dataclass(frozen=True)
class Loan:
    """What one request has of the regions; without a region it goes by the wire."""

    region: Region | None = None
    client: Any = None  # the connection that it is sent by
    owner: SharedRegions | None = None

    def over(self, error: Exception | None) -> bool:
        """The request ended so; whether the server has forgotten the region: then ask it once more."""
        if self.region is None or self.owner is None:
            return False
        if error is None:
            self.owner.give_back(self.region, self.client)
            return False
        self.owner.drop(self.region)  # who gave up does not know whether the server still reads
        if not forgotten(error):
            return False
        self.owner.forget()
        return True


class SharedRegions:
    """The regions of one process with one server; safe to share between threads.

    `address`, host:port, decides whether there can be any: only a server on this machine's loopback may share
    its memory. Whether it does shows when it opens the first one; if it cannot (it has a container
    of its own, an old version, the memory is used up), requests go by the wire.
    """

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._client: Any = None  # the connection that the idle ones were registered by
        self._idle: list[Region] = []
        self._held: dict[str, int] = {}  # bytes of every region that we or the server still map
        self._leaving: set[str] = set()  # those of them that Triton should let go of
        self._possible = is_loopback(address.rpartition(":")[0]) and FOLDER.is_dir()
        self._not_before = 0.0  # of the monotonic clock
        self._swept = False

    def lend(self, client: InferenceServerClient, size: int) -> Loan:
        """A region of at least `size` bytes where one is to be had."""
        region = self._free(client, size)
        return Loan(region, client, self) if region else Loan()

    def _free(self, client: InferenceServerClient, size: int) -> Region | None:
        with self._lock:
            if client is not self._client:
                self._leaving.update(region.name for region in self._idle)
                self._idle, self._client = [], client
            fitting = [region for region in self._idle if len(region.memory) >= size]
            if fitting:
                region = min(fitting, key=lambda each: len(each.memory))
                self._idle.remove(region)
                return region
            if not self._possible or size > MOST_BYTES or time.monotonic() < self._not_before:
                return None
            # too small for what is asked now: they make room
            self._leaving.update(region.name for region in self._idle)
            self._idle = []
        return self._made(client, size)

    def give_back(self, region: Region, client: InferenceServerClient) -> None:
        """The server has answered and reads it no more."""
        with self._lock:
            if client is self._client:
                self._idle.append(region)
            else:
                self._leaving.add(region.name)

    def drop(self, region: Region) -> None:
        """Never use it again: the server may still read it, or has lost it."""
        with self._lock:
            self._leaving.add(region.name)

    def forget(self) -> None:
        """The server knows none of them any more: it has started anew."""
        with self._lock:
            self._client = None

    def close(self) -> None:
        """Make the server let go of what it does not read; the rest goes with the next opening."""
        with self._lock:
            client, self._client = self._client, None
            self._leaving.update(region.name for region in self._idle)
            self._idle = []
        if client is not None:
            self._let_go(client)

    def _made(self, client: InferenceServerClient, size: int) -> Region | None:
        """A new region that the server has mapped; None where that cannot be done now."""
        self._let_go(client)
        if not self._swept:
            self._swept = True
            if not self._begun(client):
                return None
        name = (
            f"{_owner()}-{secrets.token_hex(8)}"  # a key twice would make Triton map the wrong one
        )
        with self._lock:
            if len(self._held) >= MOST or sum(self._held.values()) + size > MOST_BYTES:
                self._not_before = time.monotonic() + PAUSE_S
                return None
            self._held[name] = size
        path = FOLDER / name
        try:
            memory = _mapped(path, size)
            client.register_system_shared_memory(name, f"/{name}", size, client_timeout=ANSWER_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, there is the wire
            self._failed(name, error)
            return None
        finally:
            path.unlink(missing_ok=True)
        return Region(name, memory)

    def _begun(self, client: InferenceServerClient) -> bool:
        """Clear away what ended processes left; whether this server is new enough."""
        try:
            about = client.get_server_metadata(client_timeout=ANSWER_S)
            if tuple(int(part) for part in about.version.split(".")[:2]) < FIRST:
                self._off(f"Triton {about.version} may unmap a region that it still reads")
                return False
            listed = client.get_system_shared_memory_status(client_timeout=ANSWER_S)
            for name in listed.regions:
                if _abandoned(name):
                    client.unregister_system_shared_memory(name, client_timeout=ANSWER_S)
        except Exception as error:  # noqa: BLE001 - as in _made
            self._swept = False
            self._failed("", error)
            return False
        for left in FOLDER.glob(f"{PREFIX}-*"):
            if _abandoned(left.name):
                left.unlink(missing_ok=True)
        return True

    def _failed(self, name: str, error: Exception) -> None:
        """No region now, and none at all when the server said no."""
        with self._lock:
            self._not_before = time.monotonic() + PAUSE_S
            if name:  # a server that said nothing in time may map it all the same
                self._leaving.add(name)
        if not _silent(error):
            self._off(str(error))

    def _off(self, reason: str) -> None:
        self._possible = False
        log.info("serving.memory.not_shared", reason=reason)

    def _let_go(self, client: InferenceServerClient) -> None:
        """Ask Triton to unmap what is leaving; it refuses while a request reads there."""
        with self._lock:
            leaving = list(self._leaving)
        for name in leaving:
            try:
                client.unregister_system_shared_memory(name, client_timeout=ANSWER_S)
            except Exception as error:  # noqa: BLE001 - as in _made; it stays for the next time
                if _silent(error):
                    return
                continue
            with self._lock:
                self._leaving.discard(name)
                self._held.pop(name, None)


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _silent(error: Exception) -> bool:
    """Whether the server did not answer, which says nothing of what it can."""
    status = getattr(error, "status", None)
    told = str(status()) if callable(status) else ""
    return told.endswith(("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"))


def _mapped(path: Path, size: int) -> mmap.mmap:
    """A new file in memory; raises OSError where there is not room for all of it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # a file that is only as long ends the process that writes where no memory is left
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _owner() -> str:
    """This process, as the names of its regions begin."""
    return f"{PREFIX}-{_namespace()}-{os.getpid()}-{_began(os.getpid())}"


def _abandoned(name: str) -> bool:
    """Whether a region's process has ended; never said of what another container may know."""
    told = re.fullmatch(rf"{PREFIX}-{_namespace()}-(\d+)-(\d+)-[0-9a-f]+", name)
    return told is not None and _began(int(told[1])) != told[2]


@cache
def _namespace() -> str:
    """Process ids mean something in here only."""
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _began(pid: int) -> str:
    """When a process began, ticks since the machine did; "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
