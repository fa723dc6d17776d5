"""The process that nobody sees: relays what others could not send, and sweeps.

`python -m shared.flow.clock`; several may run, they do the same work twice at most.
"""

from __future__ import annotations

import signal
import threading
import time

import structlog

from shared import log, wiring
from shared.flow import sweeper
from shared.flow.heartbeat import beat
from shared.flow.state_figures import StateFigures
from shared.platform import Platform
from shared.settings import Settings
from shared.telemetry import tracing
from shared.telemetry.process import watch
from shared.telemetry.table import CLOCK_ROUNDS

LOOK_EVERY_S = 0.1  # into the outbox: the gateway leaves its events to us, and somebody waits
LOOK_AGAIN_S = 0.02  # where there was something a moment ago there is more
MOMENT_S = 2.0
ROUND_EVERY_S = 0.5
SWEEP_EVERY_S = 2.0
LOOK_BACK_EVERY_S = 300.0
FORGET_EVERY_S = 3600.0
logger = structlog.get_logger()


def run(platform: Platform, stopped: threading.Event) -> None:
    """Relay and sweep until `stopped`."""
    rounded = swept = looked_back = forgotten = sent = 0.0
    while not stopped.wait(LOOK_AGAIN_S if time.monotonic() - sent < MOMENT_S else LOOK_EVERY_S):
        try:
            if platform.bus.relay():
                sent = time.monotonic()
            if time.monotonic() - rounded < ROUND_EVERY_S:
                continue
            rounded = time.monotonic()
            if rounded - swept >= SWEEP_EVERY_S:
                swept = rounded
                sweeper.sweep(platform)
            if rounded - looked_back >= LOOK_BACK_EVERY_S:
                looked_back = rounded
                sweeper.look_far_back(platform)
            if rounded - forgotten >= FORGET_EVERY_S:
                forgotten = rounded
                sweeper.forget_old(platform)
            beat(platform.settings.heartbeat)
            CLOCK_ROUNDS.add("done")
        except Exception as error:  # noqa: BLE001 - a server that is away comes back; nothing is lost
            CLOCK_ROUNDS.add("failed")
            logger.warning("clock.round.failed", error=f"{type(error).__name__}: {error}")
            stopped.wait(ROUND_EVERY_S)


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service="clock")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    platform = wiring.build(settings)
    watch(settings, "clock", read=StateFigures(platform))
    run(platform, stopped)
    tracing.flush()


if __name__ == "__main__":
    main()
