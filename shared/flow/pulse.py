"""The heartbeat of a worker, beaten by the event loop that takes its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import bootsteps

from shared.flow.heartbeat import EVERY_S, beat


def pulse(file: Path | None) -> type[bootsteps.StartStopStep]:
    """A bootstep of the consumer: it starts with the connection to the broker and stops with it."""

    class Pulse(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer:Tasks",)
        entry: Any = None

        def start(self, c: Any) -> None:
            beat(file)
            if file is not None:
                self.entry = c.timer.call_repeatedly(EVERY_S, beat, (file,))

        def stop(self, _: Any) -> None:
            entry, self.entry = self.entry, None
            if entry is not None:
                entry.cancel()

    return Pulse
