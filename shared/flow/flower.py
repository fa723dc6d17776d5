"""Flower, the look into the Celery workers: `python -m shared.flow.flower`.

For looking only: what is done to tasks goes through the gateway and `actverse`, because the database
must know of it. Nobody gets in without the password, and without one Flower does not start.
"""

from __future__ import annotations

import logging
import signal
import sys

import structlog

from shared import log, wiring
from shared.errors import BadInput
from shared.setting_groups.watching import FlowerSettings
from shared.settings import Settings

SHORTEST_PASSWORD = 12
UNGUARDED = "/metrics"  # Flower asks nobody for a password there
PURGE_AFTER_S = 3600
logger = structlog.get_logger()


def checked(flower: FlowerSettings) -> str:
    """The credentials as `user:password`; `BadInput` when somebody could guess them."""
    if len(flower.password) < SHORTEST_PASSWORD:
        raise BadInput(
            f"Flower needs a password of {SHORTEST_PASSWORD} characters or more: set "
            "ACTVERSE_FLOWER__PASSWORD."
        )
    if not flower.user or ":" in flower.user:
        raise BadInput("ACTVERSE_FLOWER__USER must be a name without a colon.")
    return f"{flower.user}:{flower.password}"


def serve(settings: Settings) -> None:
    """Run until SIGTERM."""
    credentials = checked(settings.flower)
    from flower import urls
    from flower.app import Flower
    from tornado.options import options

    urls.handlers[:] = [one for one in urls.handlers if _pattern(one) != UNGUARDED]
    options.address, options.port = settings.flower.host, settings.flower.port
    options.basic_auth = [credentials]
    options.read_only = True
    options.purge_offline_workers = PURGE_AFTER_S
    options.broker_api = settings.flower.broker_api or None
    app = Flower(capp=wiring.celery_app(settings, None), options=options, **urls.settings)
    port = app.start_http_server()
    logger.info("flower.listens", host=settings.flower.host, port=port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.io_loop.add_callback_from_signal(app.stop))
    app.start()


def _pattern(handler: object) -> str:
    if isinstance(handler, tuple):
        return str(handler[0])
    return str(getattr(handler, "matcher", handler).regex.pattern).rstrip("$")  # type: ignore[attr-defined]


def main() -> None:
    """Run, or say what is missing."""
    settings = Settings()
    log.configure(settings.log_level, settings.log_format, service="flower")
    logging.getLogger("tornado.access").setLevel(logging.WARNING)  # not a line for every look
    try:
        serve(settings)
    except BadInput as error:
        logger.error("flower.refused", error=str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
