"""Serves the figures of a process, and of the pool children that it forks, to Prometheus.

Processes that share a folder add up there (prometheus-client's multiprocess mode): a worker with
its children, or a whole embedded mesh. Two things are ours, because work must never suffer from
being watched: room in the folder is reserved before it is used, since a write into a memory map on
a full disk ends the process; and what dead processes counted is added up and their files removed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from shared.process import start_of
from shared.telemetry import table  # noqa: F401 - it fills TABLE
from shared.telemetry.figures import TABLE, State

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "actverse-figures-"
RESERVED_BYTES = 128 * 1024  # of each file; a process uses a tenth
LIVING = "gauge_livesum"
FILES = ("counter", "histogram", LIVING)
DEAD = "0"  # in place of a process id: the sum of those that are gone
log = structlog.get_logger()
_settling = threading.Lock()

Sample = tuple[State, tuple[str, ...], float]
Read = Callable[[], Sequence[Sample]]


class Exporter:
    """The figures of this process (and of those that share its folder), as Prometheus reads them."""

    def __init__(self, folder: Path | None, read: Read | None) -> None:
        from prometheus_client import (
            CollectorRegistry,
            ProcessCollector,
            disable_created_metrics,
        )
        from prometheus_client.multiprocess import MultiProcessCollector

        disable_created_metrics()
        self._folder = folder
        _count_in(folder)
        self.registry = CollectorRegistry(auto_describe=False)
        if folder is None:
            _bind(self.registry)
        else:
            _reserve(folder)
            _bind(CollectorRegistry())
            os.register_at_fork(after_in_child=lambda: _after_fork(folder))
            self.registry.register(_Settled(MultiProcessCollector(None, str(folder)), folder))
        ProcessCollector(registry=self.registry)  # its processor time, memory, descriptors
        if read is not None:
            self.registry.register(_States(read))

    def text(self, read: Read | None = None) -> bytes:
        """Everything, in Prometheus's text format; with `read`, the states of the mesh as well."""
        from prometheus_client import CollectorRegistry, generate_latest

        states = CollectorRegistry(auto_describe=False)
        if read is not None:
            states.register(_States(read))
        return generate_latest(self.registry) + generate_latest(states)

    def listen(self, host: str, port: int) -> int:
        """Answer `GET /metrics` on `port` from a thread; 0 takes a free one. Returns the port.

        Raises `OSError` when the port is taken.
        """
        from prometheus_client import start_http_server

        server, _ = start_http_server(port, addr=host, registry=self.registry)
        # a pool child that outlived its parent for a moment would keep the port from the next one
        os.register_at_fork(after_in_child=server.socket.close)
        return int(server.server_address[1])


_present: Exporter | None = None


def present() -> Exporter:
    """The exporter of this process; one that counts from now on when nothing began before."""
    global _present  # noqa: PLW0603 - one a process is the point
    if _present is None:
        _present = Exporter(None, None)
    return _present


def begin(
    *, port: int, host: str, folder: Path | None, forks: bool, read: Read | None = None
) -> Exporter | None:
    """Count from now on, if anybody is to read it: on `port`, or in a `folder` that others read.

    `forks`: the process has a pool of children, whose figures are its own. A port that is taken or
    a disk that is full is a warning: the work goes on unwatched.
    """
    global _present  # noqa: PLW0603 - one a process is the point
    if port == 0 and folder is None:
        return None
    try:
        if folder is None and forks:
            folder = own_folder()
            atexit.register(_remove, folder, os.getpid())
        _present = exporter = Exporter(folder, read)
        if port:
            exporter.listen(host, port)
    except OSError as error:
        log.warning("telemetry.figures.unavailable", host=host, port=port, error=str(error))
        return None
    return exporter


def own_folder() -> Path:
    """A fresh folder for this process and its children; those of dead processes are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and start_of(int(pid)) is None and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a child that it forked
        shutil.rmtree(folder, ignore_errors=True)


def _count_in(folder: Path | None) -> None:
    """In files or in memory: the library decides at its import, which may be long ago."""
    from prometheus_client import values

    if folder is None:
        values.ValueClass = values.MutexValue
    else:
        os.environ[FOLDER_VARIABLE] = str(folder)
        values.ValueClass = values.MultiProcessValue()


def _bind(registry: Any) -> None:
    from prometheus_client import Counter, Gauge, Histogram

    for figure in TABLE.values():
        common = {"labelnames": figure.labels, "registry": registry}
        if figure.kind == "counter":
            figure.bind(Counter(figure.name, figure.about, **common))
        elif figure.kind == "histogram":
            buckets = figure.buckets or Histogram.DEFAULT_BUCKETS
            figure.bind(Histogram(figure.name, figure.about, buckets=buckets, **common))
        elif figure.kind == "level":
            figure.bind(Gauge(figure.name, figure.about, multiprocess_mode="livesum", **common))


def unbind() -> None:
    """Count nothing any more."""
    global _present  # noqa: PLW0603 - one a process is the point
    _present = None
    for figure in TABLE.values():
        figure.bind(None)


def _reserve(folder: Path) -> None:
    """Take the room for this process's files; raises `OSError` when there is none."""
    for kind in FILES:
        _take_room(folder / f"{kind}_{os.getpid()}.db", RESERVED_BYTES)


def _take_room(file: Path, size: int) -> None:
    """Make `file` at least `size` bytes long, with zeros that lie on the disk already."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "linux":
            os.posix_fallocate(descriptor, 0, size)
        elif (there := os.fstat(descriptor).st_size) < size:
            os.pwrite(descriptor, bytes(size - there), there)
    finally:
        os.close(descriptor)


def _after_fork(folder: Path) -> None:
    try:
        _reserve(folder)
    except OSError:  # the disk is full, or the folder was removed: this child goes uncounted
        unbind()


class _Settled:
    """The folder's sum, after the dead were added up."""

    def __init__(self, collector: Any, folder: Path) -> None:
        self._collector = collector
        self._folder = folder

    def collect(self) -> Iterator[Any]:
        with _settling:
            settle(self._folder)
            yield from tuple(self._collector.collect())


def settle(folder: Path) -> None:
    """Add what dead processes counted to one file a kind, and remove theirs."""
    for file in sorted(folder.glob("*.db")):
        kind, _, pid = file.stem.rpartition("_")
        if pid == DEAD or start_of(int(pid)) is not None:
            continue
        with contextlib.suppress(OSError):
            if kind != LIVING:
                _add(file, folder / f"{kind}_{DEAD}.db")
            file.unlink()


def _add(file: Path, to: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    _take_room(to, 4 * RESERVED_BYTES)
    total = MmapedDict(str(to))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()


class _States:
    """What `read` says just now."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        families: dict[str, Any] = {}
        for figure, labels, value in self._read():
            family = families.get(figure.name)
            if family is None:
                family = GaugeMetricFamily(figure.name, figure.about, labels=figure.labels)
                families[figure.name] = family
            family.add_metric(labels, value)
        yield from families.values()
