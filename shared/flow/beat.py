"""Celery beat: sends the periodic tasks. `python -m shared.flow.beat`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

from celery.apps.beat import Beat
from celery.beat import Scheduler

from shared import log, wiring
from shared.flow.heartbeat import beat
from shared.settings import Settings
from shared.telemetry.process import watch

FORGET_EVERY_S = 3600.0
REFERENCES_EVERY_S = 60.0
INQUIRIES_EVERY_S = 20.0


def _scheduler(heartbeat: Path | None) -> type[Scheduler]:
    """Beats with every message that the broker took; there is one every few seconds."""

    class Beating(Scheduler):
        def apply_async(self, *args: Any, **named: Any) -> Any:
            sent = super().apply_async(*args, **named)
            beat(heartbeat)
            return sent

    return Beating


class Tick(NamedTuple):
    """A periodic task, and how often it is sent."""

    service: str
    task: str
    every_s: float


def ticks(settings: Settings) -> tuple[Tick, ...]:
    """Everything that beat sends."""
    return (
        Tick("model_deployer", "restore_models", settings.model.restore_s),
        Tick("labeling_manager", "watch_labelings", settings.labeling.poll_s),
        Tick("model_trainer", "watch_rounds", settings.learning.poll_s),
        Tick("notification", "send_due", settings.notify.poll_s),
        Tick("notification", "forget_old", FORGET_EVERY_S),
        Tick("audio_analyzer", "renew_references", REFERENCES_EVERY_S),
        Tick("audio_analyzer", "inquire_after_answers", INQUIRIES_EVERY_S),
    )


def schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The same as Celery wants it; a tick that nobody took is worthless after three more."""
    return {
        f"{tick.service}.{tick.task}": {
            "task": f"{tick.service}.{tick.task}",
            "schedule": tick.every_s,
            "options": {
                "queue": tick.service,
                "expires": 3 * tick.every_s,
                "ignore_result": True,
            },
        }
        for tick in ticks(settings)
    }


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
    app.conf.beat_schedule = schedule(settings)
    Beat(
        app=app,
        scheduler=_scheduler(settings.heartbeat),
        loglevel=settings.log_level,
        quiet=True,
        redirect_stdouts=False,
    ).run()


if __name__ == "__main__":
    main()
