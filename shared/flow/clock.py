"""The process that nobody sees: relays what others could not send, and sweeps.

`python -m shared.flow.clock`; several may run, they do the same work twice at most.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from shared import log, wiring
from shared.flow import deletion, leaving, leftovers, sweeper
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
REST_S = 0.5  # after something went wrong
logger = structlog.get_logger()


class Duty(NamedTuple):
    """What the clock does over and over, and how often."""

    do: Callable[[Platform], object]
    every_s: float
    aside: bool = False  # in a thread: it may take minutes, and events shall not wait for it


def _turned(platform: Platform) -> None:
    """A round in which nothing went wrong."""
    beat(platform.settings.heartbeat)
    CLOCK_ROUNDS.add("done")


DUTIES = (
    Duty(sweeper.sweep, every_s=2.0),
    Duty(sweeper.look_far_back, every_s=300.0),
    Duty(sweeper.forget_old, every_s=3600.0),
    Duty(leftovers.remove, every_s=3600.0, aside=True),
    Duty(deletion.finish, every_s=2.0, aside=True),
    Duty(leaving.finish, every_s=2.0, aside=True),
    Duty(leaving.forget_old, every_s=3600.0),
    Duty(_turned, every_s=0.5),  # the last: the others can keep it from being said
)


def run(platform: Platform, stopped: threading.Event, duties: Sequence[Duty] = DUTIES) -> None:
    """Relay and do what is due until `stopped`; everything is due at the start."""
    due_at = dict.fromkeys(duties, -math.inf)  # in seconds of the monotonic clock
    sent_at = -math.inf
    aside: dict[Duty, threading.Thread] = {}
    while not stopped.wait(LOOK_AGAIN_S if time.monotonic() - sent_at < MOMENT_S else LOOK_EVERY_S):
        try:
            if platform.bus.relay():
                sent_at = time.monotonic()
            for duty in duties:
                if time.monotonic() >= due_at[duty]:
                    due_at[duty] = time.monotonic() + duty.every_s
                    _do(duty, platform, aside)
        except Exception as error:  # noqa: BLE001 - a server that is away comes back; nothing is lost
            CLOCK_ROUNDS.add("failed")
            logger.warning("clock.round.failed", error=f"{type(error).__name__}: {error}")
            stopped.wait(REST_S)


def _do(duty: Duty, platform: Platform, aside: dict[Duty, threading.Thread]) -> None:
    if not duty.aside:
        duty.do(platform)
    elif duty not in aside or not aside[duty].is_alive():
        aside[duty] = threading.Thread(target=_try, args=(duty, platform), daemon=True)
        aside[duty].start()


def _try(duty: Duty, platform: Platform) -> None:
    try:
        duty.do(platform)
    except Exception as error:  # noqa: BLE001 - the next round may succeed
        logger.warning("clock.duty.failed", error=f"{type(error).__name__}: {error}")


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
