"""Celery beat: sends the periodic tasks. `python -m shared.flow.beat`."""

from __future__ import annotations

from celery.apps.beat import Beat

from shared import log, wiring
from shared.settings import Settings


def main() -> None:
    """Run until told to stop; the schedule is in the settings, so a lost state file costs nothing."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service="beat")
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
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    Beat(
        app=app,
        schedule=str(settings.data_dir / "beat-schedule"),
        loglevel=settings.log_level,
        quiet=True,
    ).run()


if __name__ == "__main__":
    main()
