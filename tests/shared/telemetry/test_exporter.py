"""Figures reach Prometheus from every process, and cost nobody his work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry import exporter, table
from shared.telemetry.exporter import Exporter, Sample
from shared.telemetry.figures import TABLE, Counter, Level

COUNTING = "tests.shared.telemetry.counting"
ROOT = Path(__file__).resolve().parents[3]
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(text: str) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def counted() -> Iterator[None]:
    """The figures of this very process are free again afterwards."""
    yield
    exporter.unbind()


def start(code: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *(["-c", code] if code else ["-m", COUNTING]), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def test_a_pool_is_one_process_to_prometheus_and_the_dead_are_counted_but_not_running() -> None:
    port = free_port()
    process = start("", str(port))
    assert process.stdout
    children = sorted(int(process.stdout.readline()) for _ in range(2))
    works = ("outcome", "{}"), ("service", "probe"), ("work", "first")
    running = "actverse_works_running", works[1:]

    def scraped() -> Values:
        return values(httpx.get(f"http://127.0.0.1:{port}/metrics").text)

    def of_works(outcome: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        return "actverse_works_total", (("outcome", outcome), *works[1:])

    try:
        found = scraped()
        assert found[of_works("succeeded")] == found[of_works("failed")] == 1
        assert found["actverse_epochs_total", ()] == 1
        assert found[running] == 2
        assert ("process_resident_memory_bytes", ()) in found
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: scraped().get(running, 0.0) == 0)
        for _ in range(2):  # and again: added up once
            found = scraped()
            assert found[of_works("succeeded")] == found[of_works("failed")] == 1
            probe = ("outcome", "SUCCEEDED"), ("step", "probe")
            assert found["actverse_step_seconds_count", probe] == 2
            assert found["actverse_step_seconds_sum", probe] == 4.0
        folder = next(Path(exporter.tempfile.gettempdir()).glob(f"*figures-{process.pid}-*"))
        assert not [f for f in folder.iterdir() for pid in children if str(pid) in f.name]
        assert folder.stat().st_mode & 0o077 == 0
    finally:
        process.kill()
        process.wait()
    left = exporter.own_folder()  # the next process removes what a killed one left
    assert not folder.exists()
    left.rmdir()


def test_processes_that_share_a_folder_add_up(tmp_path: Path, counted: None) -> None:
    code = (
        "import sys, pathlib; from shared.telemetry import exporter, table;"
        "exporter.begin(port=0, host='', folder=pathlib.Path(sys.argv[1]), forks=False);"
        "table.UPLOAD_BYTES.add(by=1000)"
    )
    for _ in range(3):
        assert start(code, str(tmp_path)).wait(20) == 0
    ours = exporter.begin(port=0, host="", folder=tmp_path, forks=False)
    assert ours is not None
    table.UPLOAD_BYTES.add(by=1)
    assert values(ours.text().decode())["actverse_upload_bytes_total", ()] == 3001


def test_counting_costs_nothing_until_somebody_reads() -> None:
    code = (
        "import sys; from shared.telemetry import exporter, table;"
        "from shared.telemetry.process import watch; from shared.settings import Settings;"
        "watch(Settings(), 'probe'); table.EPOCHS.add(); table.WORKS.add('a', 'b', 'c');"
        "assert not {m.split('.')[0] for m in sys.modules} & {'prometheus_client', 'opentelemetry'}"
    )
    assert start(code).wait(20) == 0


def test_a_full_disk_or_a_taken_port_only_ends_the_watching(tmp_path: Path, counted: None) -> None:
    code = (  # the file system refuses what is larger
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "import sys, pathlib; from shared.telemetry import exporter, table;"
        "f = exporter.begin(port=0, host='', folder=pathlib.Path(sys.argv[1]), forks=False);"
        "assert f is None; table.EPOCHS.add(); table.WORKS_RUNNING.add('a', 'b')"
    )
    assert start(code, str(tmp_path)).wait(20) == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert exporter.begin(port=port, host="127.0.0.1", folder=None, forks=False) is None
    table.EPOCHS.add()


def test_a_child_on_a_full_disk_goes_uncounted_and_works_on(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib, resource, shutil; from shared.telemetry import exporter, table;"
        "folder = pathlib.Path(sys.argv[1]);"
        "exporter.begin(port=0, host='', folder=folder, forks=True);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "pid = os.fork();\n"
        "if pid == 0:\n"
        "    table.EPOCHS.add()\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0"
    )
    assert start(code, str(tmp_path)).wait(20) == 0


def test_states_are_read_when_asked(counted: None) -> None:
    def read() -> list[Sample]:
        return [(table.TASKS, ("RUNNING",), 3.0), (table.TASKS, ("FAILED",), 1.0)]

    found = values(Exporter(None, read).text().decode())
    assert found["actverse_tasks", (("state", "RUNNING"),)] == 3
    assert found["actverse_tasks", (("state", "FAILED"),)] == 1


def test_the_table_follows_prometheus_conventions() -> None:
    for figure in TABLE.values():
        assert figure.name.startswith("actverse_")
        assert isinstance(figure, Counter) == figure.name.endswith("_total")
        assert (figure.kind == "histogram") <= figure.name.endswith("_seconds")
        assert figure.about.endswith(".")
    assert isinstance(table.SSE_STREAMS, Level)
