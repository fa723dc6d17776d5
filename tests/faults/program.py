"""One process of the small mesh: `python -m tests.faults.program worker small_make`."""

from __future__ import annotations

import sys

from shared.flow import beat, clock, worker
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
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
