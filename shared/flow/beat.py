"""Celery beat: sends the periodic tasks. `python -m shared.flow.beat`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from celery.apps.beat import Beat
from celery.beat import Scheduler

from shared import log, wiring
from shared.flow.heartbeat import beat
from shared.settings import Settings
from shared.telemetry.process import watch


def _scheduler(heartbeat: Path | None) -> type[Scheduler]:
    """Beats with every message that the broker took; there is one every few seconds."""

    class Beating(Scheduler):
        def apply_async(self, *args: Any, **named: Any) -> Any:
            sent = super().apply_async(*args, **named)
            beat(heartbeat)
            return sent

    return Beating


def main() -> None:
    """Run until told to stop.

    The schedule is in the settings and nothing is kept on disk: a start sends every tick at once,
    and a file that a kill left half written cannot keep it from starting.
    """
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service="beat")
    watch(settings, "beat")
    logging.getLogger("celery.beat").setLevel(logging.WARNING)  # not a line for every tick
    app = wiring.celery_app(settings, None)
    app.conf.beat_schedule = {
        "watch labelings": {
            "task": "labeling_manager.watch_labelings",
            "schedule": settings.labeling.poll_s,
            "options": {
                "queue": "labeling_manager",
                "expires": 3 * settings.labeling.poll_s,
                "ignore_result": True,
            },
        },
    }
    Beat(
        app=app,
        scheduler=_scheduler(settings.heartbeat),
        loglevel=settings.log_level,
        quiet=True,
        redirect_stdouts=False,
    ).run()


if __name__ == "__main__":
    main()
