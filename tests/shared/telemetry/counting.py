"""A process with a pool of two: `python -m tests.shared.telemetry.counting PORT`."""

from __future__ import annotations

import os
import signal
import sys
import time

from shared.telemetry import exporter
from shared.telemetry.table import EPOCHS, STEP_SECONDS, WORKS, WORKS_RUNNING


def child(outcome: str) -> None:
    WORKS.add("probe", "first", outcome)
    STEP_SECONDS.observe(2.0, "probe", "SUCCEEDED")
    with WORKS_RUNNING.held("probe", "first"):
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        signal.pause()


def main(port: int) -> None:
    exporter.begin(port=port, host="127.0.0.1", folder=None, forks=True)
    EPOCHS.add()
    for outcome in ("succeeded", "failed"):
        if os.fork() == 0:
            child(outcome)
    time.sleep(120)


if __name__ == "__main__":
    main(int(sys.argv[1]))
