"""Heartbeats: what a health check of a container asks, and what answers it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.flow import heartbeat

ROOT = Path(__file__).resolve().parents[3]


def check(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shared.flow.heartbeat"],
        cwd=ROOT,
        env={heartbeat.VARIABLE: str(file)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_young_beat_is_well_and_none_is_not(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    absent = check(file)
    assert absent.returncode == 1
    assert "no heartbeat" in absent.stderr
    heartbeat.beat(file)
    assert check(file).returncode == 0
    assert list(tmp_path.iterdir()) == [file]


def test_an_old_beat_is_told_with_its_age(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "heartbeat"
    file.write_text(f"{time.monotonic() - 100:.3f}")
    assert heartbeat.main([str(file)]) == 1
    assert "100 s ago" in capsys.readouterr().err


def test_a_beat_of_before_the_machine_started_counts_for_nothing(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.write_text(f"{time.monotonic() + 1000:.3f}")
    assert heartbeat.age_s(file) is None
    file.write_text("")
    assert heartbeat.age_s(file) is None


def test_a_disk_that_takes_nothing_ends_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heartbeat.beat(tmp_path / "absent" / "heartbeat")
    assert "cannot be written" in capsys.readouterr().err
    heartbeat.beat(None)


def test_the_check_loads_nothing_heavy() -> None:
    code = "import shared.flow.heartbeat, sys; print({'celery', 'pydantic', 'structlog'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


WORKER = """
import sys
from pathlib import Path
from celery import Celery
from shared.flow import pulse
pulse.EVERY_S = 0.05
app = Celery("pulse", broker="memory://", backend="cache+memory://", set_as_current=False)
app.steps["consumer"].add(pulse.pulse(Path(sys.argv[1])))
app.worker_main(["worker", "--pool=solo", "--without-gossip", "--without-mingle"])
"""


def test_a_worker_beats_while_it_consumes_and_stops_with_it(tmp_path: Path) -> None:
    """A real worker on kombu's memory broker, in a process of its own."""
    file = tmp_path / "heartbeat"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(file)], cwd=ROOT)
    try:
        first = beaten(file)
        while beaten(file) == first:  # the time-out of the test bounds it
            assert worker.poll() is None
            time.sleep(0.01)
    finally:
        worker.terminate()
        worker.wait(20)
    last = beaten(file)
    time.sleep(0.3)  # six beats would have come
    assert beaten(file) == last


def beaten(file: Path) -> str:
    while not file.exists():
        time.sleep(0.01)
    return file.read_text()
