"""One process of the small mesh: `python -m tests.faults.program worker small_make`."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

from shared.flow import beat, clock, reviver, worker
from shared.web import serve
from tests.faults import shifted_clock, small_service

PROGRAMS = {
    "worker": worker.main,
    "beat": beat.main,
    "clock": clock.main,
    "gateway": lambda: serve.main(["api_gateway"]),
}

if __name__ == "__main__":
    small_service.install()
    shifted_clock.install()
    if small_service.STALLED in os.environ:
        reviver.STALLED = timedelta(seconds=float(os.environ[small_service.STALLED]))
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
